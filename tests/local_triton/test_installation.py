from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

import facestats
import facestats_local_triton
from facestats_local_triton.errors import TritonError
from facestats_local_triton.installation import find_installation


def test_wheel_s_server_and_this_interpreter_s_stub_are_found() -> None:
    found = find_installation()
    assert os.access(found.server, os.X_OK)
    assert f"/{sys.version_info.major}.{sys.version_info.minor}/" in str(found.stub)


def test_backend_folder_has_stub_beside_library_and_our_backend(tmp_path: Path) -> None:
    find_installation().lay_out_backends(tmp_path)
    library = tmp_path / "python" / "libtriton_python.so"
    assert library.is_file()
    assert not library.is_symlink()
    assert os.access(tmp_path / "python" / "triton_python_backend_stub", os.X_OK)
    assert (tmp_path / "python" / "triton_python_backend_utils.py").is_file()
    assert all((tmp_path / backend / "model.py").is_file() for backend in ("onnxruntime", "openvino"))


def test_environment_leads_to_libraries_and_packages_and_keeps_what_was_set() -> None:
    found = find_installation()
    environment = found.environment({"PYTHONPATH": "/mine", "LD_LIBRARY_PATH": "/lib/mine", "HOME": "/home/me"})
    libraries = environment["LD_LIBRARY_PATH"].split(":")
    assert libraries == [str(found.libraries), sysconfig.get_config_var("LIBDIR"), "/lib/mine"]
    packages = environment["PYTHONPATH"].split(":")
    assert packages[:2] == [str(Path(package.__path__[0]).parent) for package in (facestats, facestats_local_triton)]
    assert sysconfig.get_path("purelib") in packages
    assert packages[-1] == "/mine"
    assert environment["HOME"] == "/home/me"


def test_absent_wheel_is_one_sentence_with_a_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TritonError, match=r"not installed; install it with: pip install 'facestats-triton\[triton\]'"):
        find_installation()


def test_python_version_without_a_stub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facestats_local_triton.installation.sys.version_info", SimpleNamespace(major=3, minor=99))
    with pytest.raises(TritonError, match=r"no Python backend for Python 3.99; use Python 3.11 or 3.12"):
        find_installation()
