"""Every problem of the service has an exception of its own kind."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from facestats_client.errors import ERROR_OF_CODE, NoFaceError, ProblemError, ServiceBusyError
from facestats_client.requests import raise_for_problem
from gateway.errors import PROBLEM_TYPES, Problem


def test_every_problem_type_of_the_gateway_is_known() -> None:
    assert set(ERROR_OF_CODE) == set(PROBLEM_TYPES)


def test_problem_document_becomes_its_exception() -> None:
    document = Problem("overloaded", "Too much at once.", retry_after=7).document("request-1")
    with pytest.raises(ServiceBusyError, match=r"Too much at once\.") as caught:
        raise_for_problem(httpx.Response(503, json=document))
    error = caught.value
    assert (error.code, error.status, error.retry_after) == ("overloaded", 503, 7)
    assert error.document["instance"] == "request-1"


def test_problem_of_a_later_version_is_still_a_problem() -> None:
    document = {"type": "urn:facestats:problem:moon-phase", "title": "Wrong moon", "status": 400}
    with pytest.raises(ProblemError, match="Wrong moon") as caught:
        raise_for_problem(httpx.Response(400, json=document))
    assert caught.value.code == "moon-phase"
    assert not isinstance(caught.value, NoFaceError)


def test_answer_of_a_proxy_is_reported_as_it_is() -> None:
    with pytest.raises(ProblemError, match="Bad gateway here"):
        raise_for_problem(httpx.Response(502, text="Bad gateway here"))


def test_import_needs_neither_torch_nor_mediapipe_nor_triton() -> None:
    code = (
        "import sys; blocked = ('torch', 'mediapipe', 'tritonclient', 'gateway', 'cv2');"
        "sys.modules.update(dict.fromkeys(blocked));"
        "import facestats_client as f; print(f.FaceStatsClient.__name__, f.TritonScorer.__name__)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["FaceStatsClient", "TritonScorer"], result.stderr
