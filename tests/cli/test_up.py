"""``facestats up``: says how to use the service, refuses to start with one sentence, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.stack import SERVES, Stack

pytestmark = pytest.mark.integration

SHARED_MEMORY = Path("/dev/shm")


def up(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs ``facestats up``, which is expected to refuse."""
    command = [sys.executable, "-m", "facestats_cli", "up", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | settings, timeout=60, check=False)


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """The one line a failed command said."""
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def family_of(stack: Stack) -> list[psutil.Process]:
    """Every process the stack has started: tritonserver and its Python stubs."""
    return list(psutil.Process(stack.process.pid).children(recursive=True))


def regions_of(stack: Stack) -> list[Path]:
    """Triton's shared-memory regions that carry this stack's process id."""
    return sorted(SHARED_MEMORY.glob(f"triton_facestats_*_{stack.process.pid}_*"))


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_printed_curl_line_gives_a_score(stack: Stack, root: Path) -> None:
    serves, attempt = (line for line in stack.log if line.startswith((SERVES, "Try: ")))
    assert serves.strip() == f"{SERVES}{stack.url}"
    command = attempt.removeprefix("Try: ").strip()
    assert command == f"curl -F image=@examples/astronaut.jpg {stack.url}/v1/score"
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    answer = subprocess.run(command.split(), capture_output=True, cwd=root, timeout=60, check=True)
    assert 0 <= json.loads(answer.stdout)["faces"][0]["score"] <= 100


def test_ctrl_c_leaves_no_process_and_no_shared_memory(exported_repository: Path) -> None:
    with Stack(exported_repository) as running:
        family = family_of(running)
        assert {"tritonserver", "triton_python_backend_stub"} <= {one.name() for one in family}
        assert regions_of(running)
        # 128 + SIGINT, as a shell expects.
        assert running.stop(signal.SIGINT) == 130
        assert "Traceback" not in "".join(running.log)
        assert alive(family) == []
        assert regions_of(running) == []


def test_environment_names_the_port_and_the_real_one_is_printed(exported_repository: Path) -> None:
    command = [sys.executable, "-m", "facestats_cli", "up", "--repository", str(exported_repository)]
    environment = os.environ | {"FACESTATS_PORT": "0"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as run:
        assert run.stdout is not None
        try:
            url = run.stdout.readline().strip().removeprefix(SERVES)
            assert httpx.get(f"{url}/healthz", timeout=10).status_code == 200
        finally:
            run.terminate()
            assert run.wait(60) == 0


def test_killed_tritonserver_comes_back_and_leaves_nothing_behind(exported_repository: Path) -> None:
    with Stack(exported_repository, settings={"FACESTATS_TRITON_CHECK_SECONDS": "0.2"}) as running:
        first = family_of(running)
        (server,) = (one for one in first if one.name() == "tritonserver")
        server.kill()
        server.wait(30)
        transport = httpx.HTTPTransport(retries=3)
        with httpx.Client(base_url=running.url, transport=transport, timeout=10) as client:
            while client.get("/readyz").status_code == 200:
                assert running.process.poll() is None
            while client.get("/readyz").status_code != 200:
                assert running.process.poll() is None
        second = family_of(running)
        assert "tritonserver" in {one.name() for one in second}
        assert running.stop() == 0
        assert alive(first + second) == []
        assert regions_of(running) == []


def test_taken_port_is_one_sentence(exported_repository: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        said = refusal(up("--repository", str(exported_repository), "--port", str(port)))
    assert said == f"facestats: port {port} is taken on 127.0.0.1; choose another with --port."


def test_taken_triton_port_is_one_sentence(exported_repository: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        result = up("--repository", str(exported_repository), "--port", "0", "--triton-grpc-port", str(port))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert str(port) in result.stderr.splitlines()[-1]


def test_address_of_another_machine_is_one_sentence(exported_repository: Path) -> None:
    # TEST-NET-1, nobody's (RFC 5737).
    said = refusal(up("--repository", str(exported_repository), "--host", "192.0.2.1"))
    assert "192.0.2.1" in said
    assert "--host" in said


def test_missing_repository_is_one_sentence(tmp_path: Path) -> None:
    said = refusal(up("--repository", str(tmp_path / "nowhere")))
    assert "no model repository" in said
    assert "`facestats export` makes one" in said


def test_wrong_setting_is_named(exported_repository: Path) -> None:
    result = up("--repository", str(exported_repository), "--port", "0", FACESTATS_BLEND_GEOMETRIC="seven")
    assert "FACESTATS_BLEND_GEOMETRIC" in refusal(result)


def test_damaged_graph_is_one_sentence_and_nothing_stays(exported_repository: Path, tmp_path: Path) -> None:
    repository = tmp_path / "model_repository"
    shutil.copytree(exported_repository, repository, symlinks=True)
    graph = next((repository / "attractiveness_regressor").glob("*/model.onnx"))
    graph.unlink()
    graph.write_bytes(b"no graph")
    result = up("--repository", str(repository), "--port", "0")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "attractiveness_regressor" in result.stderr.splitlines()[-1]
