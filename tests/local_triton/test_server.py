"""The launcher around the real tritonserver: start, stop, crashes, and what is left afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
import tritonclient.grpc

from facestats_local_triton.exposure import ClosableApi
from facestats_local_triton.ownership import Owner
from facestats_local_triton.server import TritonError, TritonPorts, TritonServer
from tests.local_triton.tiny_models import add_scale_model, save_scale, scale_config
from tests.local_triton.triton_client import LogWatch, model_states, scale

pytestmark = pytest.mark.integration

READY_TIMEOUT = 60.0

LAUNCHER = """
import sys, threading
from pathlib import Path
from facestats_local_triton.server import TritonPorts, TritonServer
with TritonServer(Path(sys.argv[1]), TritonPorts.free()) as server:
    server.wait_ready(60)
    print(server.pid, server.owner.prefix, flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model repository with the model ``scale``: Y = 2 X."""
    folder = tmp_path / "models"
    add_scale_model(folder)
    return folder


@pytest.fixture
def log() -> LogWatch:
    return LogWatch()


def kill(server: TritonServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)


def traces(owner: Owner) -> list[str]:
    """Everything of a server that is left on the machine."""
    left = [f"process {process.pid}" for process in owner.processes()]
    left += [region.name for region in owner.regions()]
    return left + ([str(owner.run_directory)] if owner.run_directory.exists() else [])


def add_version(model: Path, version: int, write: Callable[[Path], None]) -> None:
    """Adds a version as an export does: complete at once."""
    staged = model.parent.parent / f"staged-{version}"
    write(staged / "model.onnx")
    staged.rename(model / str(version))


def write_garbage(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no ONNX graph")


def test_serves_and_leaves_nothing_behind(repository: Path, log: LogWatch) -> None:
    with TritonServer(repository, TritonPorts.free(), log=log) as server:
        server.wait_ready(READY_TIMEOUT)
        assert scale(server.ports) == [2, 4]
        assert len(server.owner.processes()) == 2, "the server and one stub"
        assert server.owner.regions()
        pid = server.pid
        assert pid is not None
    assert traces(server.owner) == []
    assert not psutil.pid_exists(pid)
    assert server.pid is None
    assert log.matching("Started HTTPService")
    assert not [line for line in log.lines if line.startswith(("E", "W"))], "an undisturbed life is without warnings"


def test_listens_on_loopback_only(repository: Path) -> None:
    with TritonServer(repository, TritonPorts.free()) as server:
        server.wait_ready(READY_TIMEOUT)
        listening = {
            (address.laddr.ip.removeprefix("::ffff:"), address.laddr.port)
            for address in psutil.Process(server.pid).net_connections("inet")
            if address.status == psutil.CONN_LISTEN
        }
    ports = server.ports
    assert listening == {("127.0.0.1", ports.grpc), ("127.0.0.1", ports.http), ("127.0.0.1", ports.metrics)}


@pytest.mark.parametrize("poll_seconds", [None, 1])
def test_models_cannot_be_loaded_or_unloaded_over_the_network(repository: Path, poll_seconds: int | None) -> None:
    opened: list[ClosableApi] = ["model-repository"]
    with TritonServer(repository, TritonPorts.free(), poll_seconds=poll_seconds, open_apis=opened) as server:
        server.wait_ready(READY_TIMEOUT)
        for action in ("load", "unload"):
            url = f"http://127.0.0.1:{server.ports.http}/v2/repository/models/scale/{action}"
            answer = httpx.post(url, json={})
            assert answer.status_code >= 400
            assert "not allowed" in answer.text
        assert scale(server.ports) == [2, 4]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "triton.example.com"])
def test_another_address_than_loopback_is_refused(repository: Path, host: str) -> None:
    with pytest.raises(TritonError, match=rf"'{host}': .*known holes.*loopback only"):
        TritonServer(repository, TritonPorts.free(), host=host).start()


@pytest.mark.parametrize(
    "argument",
    ["--http-address=0.0.0.0", "--grpc-address=::", "--allow-sagemaker=true", "--http-restricted-api=health,a=b"],
)
def test_further_arguments_open_nothing(repository: Path, argument: str) -> None:
    with pytest.raises(TritonError, match=argument.partition("=")[0]):
        TritonServer(repository, TritonPorts.free(), extra_args=[argument]).start()


def test_who_accepts_the_holes_may_listen_everywhere(repository: Path) -> None:
    with TritonServer(repository, TritonPorts.free(), host="0.0.0.0", accept_known_holes=True) as server:
        server.wait_ready(READY_TIMEOUT)
        assert scale(server.ports) == [2, 4]


def test_answers_by_triton_s_own_name_as_nvidia_s_health_examples_ask(repository: Path) -> None:
    with TritonServer(repository, TritonPorts.free()) as server:
        server.wait_ready(READY_TIMEOUT)
        with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.ports.grpc}") as client:
            assert client.is_server_live()
            assert client.is_server_ready()
            assert client.is_model_ready("scale")
            assert client.get_server_metadata(as_json=True)["name"] == "triton"
        assert httpx.get(f"http://127.0.0.1:{server.ports.http}/v2").json()["name"] == "triton"


@pytest.mark.parametrize("name", ["my models", "modèles", "модели 模型", "a;b $HOME `id` 'c' \"d\"", "-n"])
def test_a_repository_of_any_path(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_scale_model(tmp_path / name / "models")
    (tmp_path / name / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name / "temporary"))
    monkeypatch.setenv("LC_ALL", "C")
    with TritonServer(tmp_path / name / "models", TritonPorts.free(), poll_seconds=1) as server:
        server.wait_ready(READY_TIMEOUT)
        assert scale(server.ports) == [2, 4]
    assert traces(server.owner) == []


def test_exported_configuration_is_preferred_and_config_pbtxt_the_fallback(repository: Path) -> None:
    add_scale_model(repository, "plain")
    note = 'parameters { key: "weights", value: { string_value: "trained" } }'
    (repository / "scale" / "configs").mkdir()
    (repository / "scale" / "configs" / "exported.pbtxt").write_text(scale_config("scale", note))
    with TritonServer(repository, TritonPorts.free()) as server:
        server.wait_ready(READY_TIMEOUT)
        url = f"http://127.0.0.1:{server.ports.http}/v2/models"
        assert httpx.get(f"{url}/scale/config").json()["parameters"] == {"weights": {"string_value": "trained"}}
        assert httpx.get(f"{url}/plain/config").json()["parameters"] == {}


def test_new_version_takes_over_and_a_broken_one_does_not(repository: Path, log: LogWatch) -> None:
    with TritonServer(repository, TritonPorts.free(), poll_seconds=1, log=log) as server:
        server.wait_ready(READY_TIMEOUT)
        add_version(repository / "scale", 2, lambda path: save_scale(path, factor=5.0))
        log.wait_for("successfully unloaded 'scale' version 1")
        assert scale(server.ports) == [5, 10]
        add_version(repository / "scale", 3, write_garbage)
        log.wait_for("failed to load 'scale' version 3")
        assert scale(server.ports) == [5, 10]
        assert server.is_ready(), "the version before goes on serving"


def test_changed_configuration_is_taken_over(repository: Path, log: LogWatch) -> None:
    with TritonServer(repository, TritonPorts.free(), poll_seconds=1, log=log) as server:
        server.wait_ready(READY_TIMEOUT)
        configs = repository / "scale" / "configs"
        configs.mkdir()
        staged = repository.parent / "exported.pbtxt"
        staged.write_text(scale_config("scale", 'parameters { key: "weights", value: { string_value: "new" } }'))
        staged.rename(configs / "exported.pbtxt")
        log.wait_for("successfully loaded 'scale'", times=2)
        answer = httpx.get(f"http://127.0.0.1:{server.ports.http}/v2/models/scale/config").json()
    assert answer["parameters"] == {"weights": {"string_value": "new"}}


def test_a_python_model_that_never_ran_is_loaded_once(repository: Path, log: LogWatch) -> None:
    """What Python writes beside a model at its first import must not look like a change to it."""
    shutil.copytree("model_repository/score_mask", repository / "score_mask", ignore=lambda *_: ["__pycache__"])
    with TritonServer(repository, TritonPorts.free(), poll_seconds=1, log=log) as server:
        server.wait_ready(READY_TIMEOUT)
        add_version(repository / "scale", 2, lambda path: save_scale(path, factor=5.0))
        log.wait_for("successfully unloaded 'scale' version 1")
    assert len(log.matching("successfully loaded 'score_mask'")) == 1


def test_a_crashed_server_is_restarted_with_growing_delays(repository: Path, log: LogWatch) -> None:
    with TritonServer(repository, TritonPorts.free(), log=log) as server:
        server.wait_ready(READY_TIMEOUT)
        for crash, delay in ((1, "0.5"), (2, "1")):
            stubs = [process for process in server.owner.processes() if process.pid != server.pid]
            kill(server)
            line = log.wait_for(f"was ended by SIGKILL. Restarting in {delay} s.")
            assert line.startswith("E")
            assert not [stub for stub in stubs if stub.is_running()]
            assert server.owner.regions() == []
            server.wait_ready(READY_TIMEOUT)
            assert server.restarts == crash
            assert scale(server.ports) == [2, 4]
    assert traces(server.owner) == []


def test_the_server_outlives_the_thread_that_started_it(repository: Path) -> None:
    server = TritonServer(repository, TritonPorts.free())
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    try:
        server.wait_ready(READY_TIMEOUT)
        assert scale(server.ports) == [2, 4]
        assert server.restarts == 0
    finally:
        server.stop()


def test_stop_does_not_wait_for_a_restart(repository: Path, log: LogWatch) -> None:
    with TritonServer(repository, TritonPorts.free(), log=log) as server:
        server.wait_ready(READY_TIMEOUT)
        kill(server)
        log.wait_for("Restarting in")
    assert server.restarts == 0
    assert traces(server.owner) == []


def test_without_restart_a_crash_is_final_and_told(repository: Path) -> None:
    with TritonServer(repository, TritonPorts.free(), restart=False) as server:
        server.wait_ready(READY_TIMEOUT)
        kill(server)
        with pytest.raises(TritonError, match="Triton was ended by SIGKILL"):
            server.wait_ready(READY_TIMEOUT)
    assert traces(server.owner) == []


def test_a_model_that_cannot_be_loaded_fails_the_start_with_its_reason(repository: Path) -> None:
    (repository / "scale" / "1" / "model.onnx").unlink()
    with TritonServer(repository, TritonPorts.free()) as server:
        with pytest.raises(TritonError, match=r"exit code 1: failed to load 'scale' version 1.*unable to find"):
            server.wait_ready(READY_TIMEOUT)
        assert server.restarts == 0
    assert traces(server.owner) == []


def test_a_taken_port_fails_the_start_although_another_server_answers_there(repository: Path) -> None:
    with TritonServer(repository, TritonPorts.free()) as first:
        first.wait_ready(READY_TIMEOUT)
        message = f"exit code 1: .*{first.ports.grpc}"
        with TritonServer(repository, first.ports) as second, pytest.raises(TritonError, match=message):
            second.wait_ready(READY_TIMEOUT)
        assert first.is_ready()
        assert scale(first.ports) == [2, 4]


def test_a_start_that_takes_too_long_is_told(repository: Path) -> None:
    message = "Triton was not ready after 0 s: "
    with TritonServer(repository, TritonPorts.free()) as server, pytest.raises(TritonError, match=message):
        server.wait_ready(0)
    assert traces(server.owner) == []


def test_wrong_use_is_told(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(TritonError, match=r"no model repository at .*absent"):
        TritonServer(tmp_path / "absent", TritonPorts.free()).start()
    server = TritonServer(repository, TritonPorts.free())
    with pytest.raises(TritonError, match="never started"):
        server.wait_ready(1)
    server.stop()
    with server, pytest.raises(TritonError, match="started before"):
        server.start()


@pytest.fixture
def launcher(repository: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", LAUNCHER, str(repository)], stdout=subprocess.PIPE, text=True)


def launched(launcher: subprocess.Popen[str]) -> tuple[psutil.Process, Owner]:
    assert launcher.stdout is not None
    pid, prefix = launcher.stdout.readline().split()
    owner = Owner.of(prefix)
    assert owner is not None
    return psutil.Process(int(pid)), owner


def test_a_killed_launcher_takes_its_server_with_it(launcher: subprocess.Popen[str]) -> None:
    server, owner = launched(launcher)
    launcher.kill()
    launcher.communicate()
    server.wait(READY_TIMEOUT)
    assert owner.processes() == []
    assert owner.regions() == []


def test_what_a_killed_launcher_and_server_left_goes_at_the_next_start_and_nothing_else(
    launcher: subprocess.Popen[str], repository: Path, log: LogWatch
) -> None:
    server, dead = launched(launcher)
    with TritonServer(repository, TritonPorts.free()) as other:
        other.wait_ready(READY_TIMEOUT)
        others = (sorted(process.pid for process in other.owner.processes()), other.owner.regions())
        # The launcher first, halted: it must not clean up after its server.
        launcher.send_signal(signal.SIGSTOP)
        server.kill()
        launcher.kill()
        launcher.communicate()
        assert dead.regions(), "nothing was left, so nothing is tested"
        with TritonServer(repository, TritonPorts.free(), open_apis=["model-repository"], log=log) as following:
            following.wait_ready(READY_TIMEOUT)
            assert traces(dead) == []
            assert log.matching("removed what a killed predecessor left: shared memory")
            assert (sorted(process.pid for process in other.owner.processes()), other.owner.regions()) == others
            assert scale(other.ports) == [2, 4]
            assert model_states(following.ports)["scale"].startswith("READY")
