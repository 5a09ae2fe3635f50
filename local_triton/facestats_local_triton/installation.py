"""Finds the ``tritonserver`` that the nvidia-pytriton wheel carries and prepares what it needs to run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facestats_local_triton.errors import TritonError

INSTALL_HINT = "install it with: pip install 'facestats-triton[triton]'"

_STUB = "triton_python_backend_stub"

_PACKAGES_OF_MODELS = ("facestats", "facestats_local_triton")
"""What Python models and the backends import."""


@dataclass(frozen=True)
class Installation:
    """Where the parts of the wheel's Triton lie.

    Attributes:
        server: The ``tritonserver`` executable.
        libraries: Folder of the shared libraries the wheel bundles.
        python_backend: Folder with ``libtriton_python.so`` and ``triton_python_backend_utils.py``.
        stub: The Python backend's stub process for this interpreter's version.
    """

    server: Path
    libraries: Path
    python_backend: Path
    stub: Path

    def lay_out_backends(self, directory: Path) -> None:
        """Fills ``directory`` with the backend folders that ``tritonserver --backend-directory`` expects.

        Nothing is written into the installed wheel, which may be read-only or shared. ``python/`` is the wheel's
        backend with this interpreter's stub beside its library, ``onnxruntime/`` is ours.
        """
        python = directory / "python"
        python.mkdir(parents=True)
        for part in self.python_backend.iterdir():
            # Copied: Triton refuses a library that a link leads out of the backend's folder.
            if part.is_file() and part.name != _STUB:
                shutil.copy(part, python)
        (python / _STUB).symlink_to(self.stub)
        for backend in (Path(__file__).parent / "backends").iterdir():
            if (backend / "model.py").is_file():
                (directory / backend.name).symlink_to(backend)

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The variables ``tritonserver`` and its Python stubs need, on top of ``inherited``."""
        purelib, platlib = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
        # Editable installs are not seen through PYTHONPATH: where the packages that models import lie is named too.
        packages = [*map(_package_root, _PACKAGES_OF_MODELS), purelib, platlib]
        return dict(inherited) | {
            "LD_LIBRARY_PATH": join_paths(
                [str(self.libraries), python_library_directory()], inherited.get("LD_LIBRARY_PATH")
            ),
            "PYTHONPATH": join_paths(packages, inherited.get("PYTHONPATH")),
            # The stub embeds Python, which finds its standard library by looking for `python3` on the PATH.
            "PATH": join_paths([str(Path(sys.executable).parent)], inherited.get("PATH", os.defpath)),
        }


def find_installation() -> Installation:
    """Finds the wheel's Triton for the running interpreter.

    Raises:
        TritonError: nvidia-pytriton is not installed, or has no stub for this Python version.
    """
    # The package's location is enough; importing it would configure logging and load ZeroMQ.
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise TritonError(f"The container-free Triton is not installed; {INSTALL_HINT}.")
    package = Path(next(iter(spec.submodule_search_locations)))
    root = package / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    installation = Installation(
        server=root / "bin" / "tritonserver",
        libraries=package.parent / "nvidia_pytriton.libs",
        python_backend=root / "backends" / "python",
        stub=root / "python_backend_stubs" / version / _STUB,
    )
    if not installation.stub.is_file():
        raise TritonError(f"nvidia-pytriton carries no Python backend for Python {version}; use Python 3.11 or 3.12.")
    for part in (installation.server, installation.libraries, installation.python_backend):
        if not part.exists():
            raise TritonError(f"nvidia-pytriton is damaged ({part.name} is missing); {INSTALL_HINT}.")
    return installation


def _package_root(package: str) -> str:
    """The folder that holds a package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise TritonError(f"The package '{package}' is not installed; install facestats-triton again.")
    return str(Path(next(iter(spec.submodule_search_locations))).parent)


def python_library_directory() -> str:
    """The folder of this interpreter's ``libpython``, which the stub links to."""
    return str(sysconfig.get_config_var("LIBDIR"))


def join_paths(first: list[str], inherited: str | None) -> str:
    """A search path of ``first`` and then what was inherited, each folder once."""
    inherited_parts = inherited.split(os.pathsep) if inherited else []
    return os.pathsep.join(dict.fromkeys([*first, *inherited_parts]))
