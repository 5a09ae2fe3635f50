"""Runs the Dockerfiles' own steps without a container engine: ``make check-images``.

Each stage gets a folder in place of its root, a fresh virtual environment in place of the image's Python, and the files
its COPY instructions name. Its pip, venv and facestats commands run as written; what only a container can do (apt-get,
users, owners) is left out. Then the image's own command is run and used. What this cannot show: that the base images
hold what is expected of them, and NVIDIA's server itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parent.parent
PHOTO = REPOSITORY / "examples" / "astronaut.jpg"

BUILD_ARGUMENTS = {"WEIGHTS": "untrained", "REGRESSOR": "untrained"}
"""No weights are downloaded for the check."""

CONTAINER_ONLY = ("apt-get", "rm", "useradd", "chown")
ROOT_FOLDERS = re.compile(r"(?<![\w./])/(?=(?:opt|source|models|weights|engines)\b)")
START_TIMEOUT = 180.0
"""Seconds until an image's command must pass its health check."""


class CheckError(Exception):
    """An image's step or command failed; the message says which and how."""


@dataclass
class Stage:
    """One stage of a Dockerfile, replayed below a folder.

    Attributes:
        root: Stands for the stage's ``/``.
        instructions: Keyword and arguments, in order.
    """

    root: Path
    instructions: list[tuple[str, str]] = field(default_factory=list)
    working_directory: Path = Path()
    environment: dict[str, str] = field(default_factory=dict)

    def replay(self, python: str, stages: dict[str, Stage]) -> None:
        """Carries the instructions out.

        Args:
            python: Interpreter that the base image would bring.
            stages: The stages before, by name, for ``COPY --from``.
        """
        base = self.root / "python"
        subprocess.run([python, "-m", "venv", str(base)], check=True)
        self.working_directory = self.root
        hidden = ("FACESTATS_", "PYTHONPATH", "VIRTUAL_ENV")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        self.environment |= BUILD_ARGUMENTS | {"PATH": f"{base / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        for keyword, arguments in self.instructions:
            if keyword == "WORKDIR":
                self.working_directory = self.place(arguments)
                self.working_directory.mkdir(parents=True, exist_ok=True)
            elif keyword == "COPY":
                self._copy(arguments.split(), stages)
            elif keyword == "ARG":
                name, _, default = arguments.partition("=")
                self.environment.setdefault(name, default.strip('"'))
            elif keyword == "ENV":
                for name, value in re.findall(r"(\w+)=(\S+)", arguments):
                    self.environment[name] = self.expand(value)
            elif keyword == "RUN":
                for command in arguments.split("&&"):
                    if command.split()[0] not in CONTAINER_ONLY:
                        self.run(command.strip())

    def place(self, path: str) -> Path:
        """Where a path of the image lies."""
        return self.root / path.lstrip("/") if path.startswith("/") else self.working_directory / path

    def expand(self, text: str) -> str:
        """The text with the image's folders and variables in place of their names."""
        placed = ROOT_FOLDERS.sub(f"{self.root}/", text)
        return re.sub(r"\$\{?(\w+)\}?", lambda match: self.environment.get(match[1], ""), placed)

    def run(self, command: str) -> None:
        """Runs a shell command of the image.

        Raises:
            CheckError: It failed.
        """
        placed = ROOT_FOLDERS.sub(f"{self.root}/", command)
        print(f"  {' '.join(command.split())}", flush=True)
        done = subprocess.run(
            ["sh", "-c", placed],
            cwd=self.working_directory,
            env=self.environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode != 0:
            raise CheckError(f"'{command}' failed:\n{done.stdout[-3000:]}")

    def command(self, keyword: str) -> list[str]:
        """The arguments of the last CMD, ENTRYPOINT or HEALTHCHECK, placed below the root."""
        text = next(arguments for found, arguments in reversed(self.instructions) if found == keyword)
        return [ROOT_FOLDERS.sub(f"{self.root}/", word) for word in json.loads(text[text.index("[") :])]

    def _copy(self, words: list[str], stages: dict[str, Stage]) -> None:
        options = [word for word in words if word.startswith("--")]
        *sources, target = (word for word in words if not word.startswith("--"))
        into = self.place(target)
        origin = next((option.partition("=")[2] for option in options if option.startswith("--from=")), None)
        if origin is not None:
            into.parent.mkdir(parents=True, exist_ok=True)
            # A link: the scripts of a virtual environment name the folder it was made in.
            into.symlink_to(stages[origin].place(sources[0]))
            return
        for source in sources:
            path = REPOSITORY / source
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "model.onnx", "model.onnx.data", "exported*.pbtxt")
                shutil.copytree(path, into, ignore=ignored, dirs_exist_ok=True)
            else:
                folder = into if target.endswith("/") or into.is_dir() else into.parent
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, into)


def read_stages(dockerfile: Path, folder: Path) -> dict[str, Stage]:
    """The stages of a Dockerfile by name; the last is called ``image``."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    stages: dict[str, Stage] = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        keyword, _, arguments = line.strip().partition(" ")
        if keyword == "FROM":
            name = arguments.split(" AS ")[1] if " AS " in arguments else "image"
            root = folder / name
            root.mkdir()
            stages[name] = Stage(root)
        elif keyword:
            stages[list(stages)[-1]].instructions.append((keyword, arguments.strip()))
    return stages


def check_gateway(stage: Stage) -> None:
    """The gateway starts without torch and its like, and says that Triton is missing."""
    stage.run("facestats gateway --help")
    stage.run(
        'python -c "import sys; from facestats_gateway.app import create_app; create_app(); import facestats_cli.main;'
        "heavy = {'torch', 'transformers', 'onnx', 'onnxruntime', 'jax', 'pytriton'} & set(sys.modules);"
        'sys.exit(str(heavy) if heavy else 0)"'
    )
    stage.run("! python -c 'import torch' 2>/dev/null")
    with Running(stage, {"FACESTATS_TRITON_URLS": "127.0.0.1:1"}) as service:
        if service.status("/readyz") != 503:
            raise CheckError("/readyz does not answer 503 without Triton")


def check_export(stage: Stage) -> None:
    """The job fills the volume."""
    command = [*stage.command("ENTRYPOINT"), *stage.command("CMD")]
    stage.run(" ".join([*command, "--weights untrained --regressor untrained"]))
    for model in ("clip_image_encoder", "attractiveness_regressor"):
        if not list(stage.place("/models").glob(f"{model}/*/model.onnx")):
            raise CheckError(f"the volume holds no {model}")
    # An alert names it; with one version only it says that there is none to return to.
    stage.run(f"{' '.join(stage.command('ENTRYPOINT'))} rollback --repository /models 2>&1 | grep -i version")


def check_triton(stage: Stage) -> None:
    """What the Python models import is there: a photo is decoded to CLIP's pixels, and a face measured."""
    stage.run(
        'python -c "import pathlib; from facestats.images.imaging import decode_image;'
        "from facestats.images.preprocessing import clip_pixels;"
        f"pixels = clip_pixels(decode_image(pathlib.Path('{PHOTO}').read_bytes()));"
        "assert pixels.shape == (224, 224, 3) and pixels.std() > 10;"
        "import facestats.scoring.served; from facestats.faces.measurer import FaceMeasurer;"
        "from facestats.settings import ScoringSettings; settings = ScoringSettings(); import openvino;"
        "engines = settings.landmark_engines();"
        "measurer = FaceMeasurer(1, settings.image_limits, settings.max_faces, settings.geometry, engines);"
        'measurer.warm_up(); measurer.close()"'
    )


def check_all_in_one(stage: Stage) -> None:
    """The image's own command serves a score."""
    with Running(stage, {"PORT": str(free_port())}) as service:
        score = service.score()
        print(f"  scored {PHOTO.name}: {score}")


CHECKS: dict[str, Callable[[Stage], None]] = {
    "gateway": check_gateway,
    "triton": check_triton,
    "export": check_export,
    "all-in-one": check_all_in_one,
}


class Running:
    """An image's CMD, once its HEALTHCHECK passes; use as a context manager."""

    def __init__(self, stage: Stage, variables: dict[str, str]) -> None:
        self._stage = stage
        self._environment = stage.environment | variables
        self._port = variables.get("PORT") or stage.environment["FACESTATS_PORT"]

    def __enter__(self) -> Running:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(self._port))) == 0:
                raise CheckError(f"port {self._port}, where the image listens, is taken on this machine")
        command, health = self._stage.command("CMD"), self._stage.command("HEALTHCHECK")
        print(f"  {' '.join(command)}", flush=True)
        place = self._stage.working_directory
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command, cwd=place, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        end = time.monotonic() + START_TIMEOUT
        while subprocess.run(health, env=self._environment, check=False, capture_output=True).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                raise CheckError(f"the image's health check never passed:\n{self._said()}")
            time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        if code != 0:
            raise CheckError(f"the image's command ended with exit code {code} after SIGTERM:\n{self._said()}")

    def status(self, path: str) -> int:
        """The status that a GET answers."""
        try:
            return int(urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=30).status)
        except urllib.error.HTTPError as error:
            return error.code

    def score(self) -> float:
        """The example photo's score."""
        headers = {"Content-Type": "image/jpeg"}
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/v1/score", PHOTO.read_bytes(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return float(json.load(answer)["faces"][0]["score"])

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-3000:]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def works(python: str) -> bool:
    """Whether this interpreter is installed."""
    return shutil.which(python) is not None and subprocess.run([python, "-c", ""], check=False).returncode == 0


def check(name: str, folder: Path) -> None:
    """Replays one Dockerfile and uses what came of it."""
    python = sys.executable
    if name == "triton" and works("python3.12"):
        # NVIDIA's image brings this one, the others 3.11.
        python = "python3.12"
    stages = read_stages(FOLDER / f"{name}.Dockerfile", folder)
    for stage_name, stage in stages.items():
        print(f"{name}, stage {stage_name}:", flush=True)
        stage.replay(python, stages)
    CHECKS[name](stages["image"])


def main() -> int:
    """Checks the images named on the command line, or all."""
    failed = 0
    for name in sys.argv[1:] or CHECKS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"facestats-{name}-") as folder:
            try:
                check(name, Path(folder))
            except CheckError as error:
                print(f"{name}: FAILED: {error}")
                failed += 1
            else:
                print(f"{name}: passed in {time.monotonic() - start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
