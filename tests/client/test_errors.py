"""Every problem of the service has an exception of its own kind."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires

import httpx
import pytest
from packaging.requirements import Requirement

from facestats.problems import PROBLEM_TYPES, Problem
from facestats_client.errors import ERROR_OF_CODE, NoFaceError, ProblemError, ServiceBusyError
from facestats_client.requests import raise_for_problem


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
        "import sys; sys.modules.update(dict.fromkeys(sys.argv[1:]));"
        "import facestats_client as f, facestats_client.images as i; from PIL import Image;"
        "f.FaceStatsClient().close(); print(len(i.image_bytes(Image.new('RGB', (64, 64)))))"
    )
    blocked = [
        "torch",
        "mediapipe",
        "tritonclient",
        "grpc",
        "pytriton",
        "gateway",
        "cv2",
        "numpy",
        "onnxruntime",
        "rich",
    ]
    result = subprocess.run([sys.executable, "-c", code, *blocked], capture_output=True, text=True, check=False)
    assert int(result.stdout or "0") > 60, result.stderr


def test_distribution_asks_for_four_small_packages() -> None:
    needed = [Requirement(text) for text in requires("facestats-client") or ()]
    always = {one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})}
    assert always == {"httpx", "httpx-retries", "pydantic", "pillow"}
