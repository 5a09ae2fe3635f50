"""A real Prometheus that scrapes the running stack by the tracked configuration, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import anyio
import httpx
import yaml

from tests.stack import free_port

PATIENCE = 60.0
"""Seconds until something that Prometheus is asked for must be there."""

Found = TypeVar("Found")
Document = dict[str, Any]


def local_configuration(tracked: Path, targets: Mapping[str, Sequence[str]]) -> Document:
    """The tracked configuration with this machine's addresses, scraping and judging every second.

    Args:
        tracked: ``prometheus.yml``.
        targets: Job to addresses; every job of the configuration must be named.
    """
    document: Document = yaml.safe_load(tracked.read_text())
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["rule_files"] = [str(tracked.parent / name) for name in document["rule_files"]]
    for job in document["scrape_configs"]:
        for key in [key for key in job if key.endswith("_sd_configs")]:
            del job[key]
        job["static_configs"] = [{"targets": list(targets[job["job_name"]])}]
    return document


class PrometheusProcess:
    """Prometheus on loopback; use as an asynchronous context manager.

    Args:
        program: The executable.
        configuration: What it scrapes and computes.
        folder: For its configuration and data.
    """

    def __init__(self, program: str, configuration: Document, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._configuration = folder / "prometheus.yml"
        self._configuration.write_text(yaml.safe_dump(configuration))
        self._address = f"127.0.0.1:{free_port()}"

    async def __aenter__(self) -> PrometheusProcess:
        command = [
            self._program,
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._address}",
        ]
        self._log = (self._folder / "log").open("wb")
        self._process = await asyncio.create_subprocess_exec(*command, stdout=self._log, stderr=self._log)
        self._client = httpx.AsyncClient(base_url=f"http://{self._address}", timeout=10)
        try:
            await self.until("Prometheus is ready", self._is_ready)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def until(self, what: str, look: Callable[[], Awaitable[Found | None]]) -> Found:
        """Looks again and again until something is found, and returns it."""
        try:
            with anyio.fail_after(PATIENCE):
                while not (found := await look()):
                    assert self._process.returncode is None, self.log()
                    await anyio.sleep(0.1)
                return found
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE:g} s: {what}\n{self.log()}") from None

    async def ask(self, path: str, **parameters: str) -> Any:
        """The ``data`` of an answer of ``/api/v1``."""
        answer = await self._client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def values(self, expression: str) -> list[float]:
        """The expression's value in each series now."""
        found = await self.ask("query", query=expression)
        return [float(series["value"][1]) for series in found["result"]]

    def log(self) -> str:
        """The end of what it has written."""
        return (self._folder / "log").read_text(errors="replace")[-3000:]

    async def _is_ready(self) -> bool:
        try:
            return (await self._client.get("/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def _stop(self) -> None:
        await self._client.aclose()
        if self._process.returncode is None:
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), 30)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        finally:
            self._log.close()
