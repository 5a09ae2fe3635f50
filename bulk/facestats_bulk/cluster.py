"""A Ray session for one run: one of our own on this machine, or somebody's cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facestats_bulk.errors import BulkError

DEFAULT_CPUS = 4
"""Most CPUs of a worker where none are given: more of them share one copy of the models' weights."""

RAY_ENVIRONMENT = {
    "RAY_usage_stats_enabled": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""Read when Ray is loaded and its processes start: nothing of a run is reported to anybody, and Ray is silent about
accelerators and about how Ray Data starts its actors. What goes wrong reaches us as exceptions."""

LOOPBACK_ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's switch between a cluster and one machine, on every system: without a cluster it listens on 127.0.0.1 only,
which it does not do for being told that address. Read when Ray is loaded."""

_LEAST_OBJECT_STORE = 200_000_000


@dataclass(frozen=True)
class Pool:
    """The workers of a run.

    Attributes:
        workers: Their number.
        cpus: CPUs of each.
    """

    workers: int
    cpus: int


@contextlib.contextmanager
def ray_session(address: str | None, shared_bytes: int) -> Iterator[None]:
    """Connects to a cluster, or starts Ray on this machine's loopback interface and ends it afterwards.

    Args:
        address: Of a running cluster (``auto`` finds this machine's); ``None`` starts one.
        shared_bytes: Size of what workers share through Ray's object store.

    Raises:
        BulkError: There is no cluster at the address, or Ray cannot start.
    """
    os.environ.update(RAY_ENVIRONMENT if address is not None else RAY_ENVIRONMENT | LOOPBACK_ENVIRONMENT)
    import ray

    if ray.is_initialized():
        raise BulkError("this process has a Ray session already.")
    with contextlib.ExitStack() as closing:
        try:
            if address is not None:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                # Sockets lie in it, whose paths must be short.
                folder = closing.enter_context(
                    tempfile.TemporaryDirectory(prefix="facestats-", ignore_cleanup_errors=True)
                )
                ray.init(
                    address="local",
                    num_cpus=len(os.sched_getaffinity(0)),
                    include_dashboard=False,
                    object_store_memory=_LEAST_OBJECT_STORE + 2 * shared_bytes,
                    _temp_dir=folder,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = f"at '{address}'" if address else "on this machine"
            raise BulkError(f"no Ray session {where}: {error}") from error
        closing.callback(ray.shutdown)
        yield


def node_cpus() -> list[int]:
    """CPUs of each node of the connected cluster that has any."""
    import ray

    nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [count for count in nodes if count > 0]


def choose_pool(nodes: Sequence[int], workers: int | None, cpus: int | None) -> Pool:
    """The workers for a cluster.

    Args:
        nodes: CPUs of each node.
        workers: Number of workers; as many as the CPUs carry if absent.
        cpus: CPUs of each; if absent up to ``DEFAULT_CPUS``, as the smallest node has them.

    Raises:
        BulkError: No node has so many CPUs.
    """
    if not nodes:
        raise BulkError("the Ray cluster has no CPUs.")
    each = cpus or min(DEFAULT_CPUS, *nodes)
    room = sum(count // each for count in nodes)
    if workers is None and room == 0:
        raise BulkError(f"no node of the Ray cluster has {each} CPUs (the largest has {max(nodes)}).")
    return Pool(workers or room, each)
