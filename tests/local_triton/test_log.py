from __future__ import annotations

import io

import pytest

from facestats_local_triton.log import ServerLog

STARTED = b'I1231 23:59:59.000000 7 http_server.cc:4713] "Started HTTPService"\n'
NO_MODEL = b"E1231 23:59:59.000000 7 model_lifecycle.cc:642] \"failed to load 'clip' version 1: Internal: no file\"\n"
NO_PART = b"E1231 23:59:59.000000 7 x.cc:1] \"ensemble 'a' depends on 'clip' which has no loaded version\"\n"
THE_END = b"error: creating server: Internal - failed to load all models\n"
NO_GPU = b'E1231 23:59:59.000000 7 server.cc:241] "CudaDriverHelper has not been initialized."\n'


def forwarded(*lines: bytes, gpu: bool = False) -> tuple[list[str], str | None]:
    received: list[str] = []
    log = ServerLog(received.append, gpu=gpu)
    log.forward(io.BytesIO(b"".join(lines)))
    return received, log.last_error


def test_lines_are_forwarded_as_they_are() -> None:
    received, error = forwarded(STARTED, b"\xff not text\n")
    assert received == [STARTED.decode().rstrip(), "\N{REPLACEMENT CHARACTER} not text"]
    assert error is None


def test_the_model_that_failed_is_remembered_not_its_consequences() -> None:
    _, error = forwarded(NO_MODEL, NO_PART, THE_END)
    assert error == "failed to load 'clip' version 1: Internal: no file"


def test_without_a_failed_model_the_last_error_is_remembered() -> None:
    _, error = forwarded(STARTED, THE_END)
    assert error == "creating server: Internal - failed to load all models"


def test_no_gpu_is_no_error_where_there_is_none() -> None:
    received, error = forwarded(NO_GPU)
    assert received[0].startswith("I1231")
    assert error is None
    received, error = forwarded(NO_GPU, gpu=True)
    assert received[0].startswith("E1231")
    assert error == "CudaDriverHelper has not been initialized."


def test_launcher_s_own_lines_have_triton_s_form() -> None:
    received: list[str] = []
    ServerLog(received.append, gpu=False).say("W", "restarting")
    assert received[0][0] == "W"
    assert received[0].endswith('local_triton] "restarting"')


def test_a_failing_receiver_does_not_stop_the_reading_and_is_told_at_the_end() -> None:
    stream = io.BytesIO(STARTED + NO_MODEL)

    def closed(line: str) -> None:
        raise BrokenPipeError(line)

    log = ServerLog(closed, gpu=False)
    with pytest.raises(RuntimeError, match="receiver of Triton's log failed"):
        log.forward(stream)
    assert log.last_error == "failed to load 'clip' version 1: Internal: no file"
