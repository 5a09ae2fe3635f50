"""Clients that generators make of our OpenAPI document compile, score a photo and know an error when they see one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from facestats_gateway.app import create_app
from facestats_gateway.settings import Settings
from tests.stack import Stack

pytestmark = pytest.mark.integration

OPENAPI_PYTHON_CLIENT = """
import sys
from io import BytesIO
from generated import Client, models
from generated.api.score import analyze_face_api_analyze_face_post, score_v1_score_post
from generated.types import File

url, photo = sys.argv[1], open(sys.argv[2], "rb").read()
client = Client(base_url=url)

def file(data):
    return File(BytesIO(data), file_name="a.jpg", mime_type="image/jpeg")

include = [models.ScoreV1ScorePostIncludeItem.LANDMARKS]
for body in (models.ScoreV1ScorePostFilesBody(image=file(photo)), file(photo)):
    document = score_v1_score_post.sync(client=client, body=body, include=include)
    print(document.faces[0].score, len(document.faces[0].landmarks))
problem = score_v1_score_post.sync(client=client, body=file(b"no photo"))
print(type(problem).__name__, problem.type_.value)

def analyze(front):
    body = models.AnalyzeFaceApiAnalyzeFacePostBody(front_image=file(front), side_image=file(photo))
    return analyze_face_api_analyze_face_post.sync(client=client, body=body)

print(analyze(photo).overall.psl, analyze(photo).upper_third.norwood_stage)
print(type(analyze(b"no photo")).__name__, "front image" in analyze(b"no photo").error)
"""

OPENAPI_GENERATOR_PYTHON = """
import sys
from openapi_client import ApiClient, Configuration, ScoreApi
from openapi_client.rest import ApiException

url, photo = sys.argv[1], open(sys.argv[2], "rb").read()
api = ScoreApi(ApiClient(Configuration(host=url)))
for image in (sys.argv[2], ("a.jpg", photo)):
    document = api.score_v1_score_post(image=image, include=["landmarks"])
    print(document.faces[0].score, len(document.faces[0].landmarks))
try:
    api.score_v1_score_post(image=("a.jpg", b"no photo"))
except ApiException as error:
    print(type(error.data).__name__, error.data.type)

def analyze(front):
    return api.analyze_face_api_analyze_face_post(front_image=("a.jpg", front), side_image=("b.jpg", photo))

print(analyze(photo).overall.psl, analyze(photo).upper_third.norwood_stage)
try:
    analyze(b"no photo")
except ApiException as error:
    print(type(error.data).__name__, "front image" in error.data.error)
"""

OPENAPI_GENERATOR_FETCH = """
import { readFileSync } from "node:fs";
import { Configuration, ResponseError, ScoreApi } from "./client";

async function main(url: string, path: string): Promise<void> {
    const photo = new Blob([readFileSync(path)]), nothing = new Blob(["no photo"]);
    const api = new ScoreApi(new Configuration({ basePath: url }));
    for (let call = 0; call < 2; call++) {
        const document = await api.scoreV1ScorePost({ image: photo, include: ["landmarks"] });
        console.log(document.faces[0].score, document.faces[0].landmarks!.length);
    }
    try {
        await api.scoreV1ScorePost({ image: nothing });
    } catch (error) {
        console.log("ProblemDocument", (await (error as ResponseError).response.json()).type);
    }
    const analyze = (front: Blob) => api.analyzeFaceApiAnalyzeFacePost({ frontImage: front, sideImage: photo });
    const answer = await analyze(photo);
    console.log(answer.overall.psl, answer.upperThird.norwoodStage ?? "None");
    try {
        await analyze(nothing);
    } catch (error) {
        const said = (await (error as ResponseError).response.json()).error as string;
        console.log("ErrorDocument", said.includes("front image") ? "True" : said);
    }
}
main(process.argv[2], process.argv[3]);
"""


@pytest.fixture(scope="module")
def tools(root: Path) -> Path:
    """Where the generators and linters are."""
    return root / ".venv-generators"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The OpenAPI document of a gateway without keys."""
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(json.dumps(create_app(Settings()).openapi()))
    return path


def needed(tool: Path) -> str:
    if not tool.exists():
        pytest.skip(f"needs {tool.name} in {tool.parent} (make generators), which is absent")
    return str(tool)


def run(command: Sequence[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def openapi_generator(tools: Path, generator: str, document: Path, output: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("OpenAPI Generator needs Java (java), which is absent")
    jar = next(tools.glob("lib/python*/site-packages/openapi_generator_cli/openapi-generator.jar"), None)
    if jar is None:
        pytest.skip(f"needs openapi-generator-cli in {tools} (make generators), which is absent")
    options = ["-g", generator, "-i", str(document), "-o", str(output), "--global-property", "apiDocs=false"]
    run(["java", "-XX:TieredStopAtLevel=1", "-jar", str(jar), "generate", *options], output.parent)


def check(said: str) -> None:
    """What each of the scripts prints of an untrained service that scores the example photo twice."""
    *scores, problem, analysis, error = said.splitlines()
    assert len(scores) == 2
    assert len(set(scores)) == 1
    score, landmarks = scores[0].split()
    assert 0 < float(score) < 100
    assert landmarks == "478"
    assert problem == "ProblemDocument urn:facestats:problem:not-an-image"
    psl, nothing = analysis.split()
    assert float(psl) == pytest.approx(float(score), abs=0.06)
    assert nothing == "None"
    assert error == "ErrorDocument True"


def test_openapi_python_client(tools: Path, document: Path, stack: Stack, example_path: Path, tmp_path: Path) -> None:
    python, generator = needed(tools / "bin" / "python"), needed(tools / "bin" / "openapi-python-client")
    (tmp_path / "config.yaml").write_text("project_name_override: client\npackage_name_override: generated\n")
    options = ["--path", str(document), "--meta", "none", "--output-path", "generated", "--config", "config.yaml"]
    said = run([generator, "generate", *options], tmp_path, PATH=f"{tools / 'bin'}:{os.environ['PATH']}")
    assert "Unsupported schema" not in said
    run([python, "-m", "compileall", "-q", "generated"], tmp_path)
    (tmp_path / "score.py").write_text(OPENAPI_PYTHON_CLIENT)
    check(run([python, "score.py", stack.url, str(example_path)], tmp_path))


def test_openapi_generator_s_python_client(
    tools: Path, document: Path, stack: Stack, example_path: Path, tmp_path: Path
) -> None:
    python = needed(tools / "bin" / "python")
    openapi_generator(tools, "python", document, tmp_path / "client")
    run([python, "-m", "compileall", "-q", "client"], tmp_path)
    (tmp_path / "client" / "score.py").write_text(OPENAPI_GENERATOR_PYTHON)
    check(run([python, "client/score.py", stack.url, str(example_path)], tmp_path))


def test_openapi_generator_s_fetch_client(
    tools: Path, document: Path, stack: Stack, example_path: Path, tmp_path: Path
) -> None:
    compiler = needed(tools / "node_modules" / ".bin" / "tsc")
    openapi_generator(tools, "typescript-fetch", document, tmp_path / "client")
    (tmp_path / "score.ts").write_text(OPENAPI_GENERATOR_FETCH)
    (tmp_path / "node.d.ts").write_text(
        'declare module "node:fs" { export function readFileSync(path: string): Uint8Array<ArrayBuffer>; }\n'
        "declare const process: { argv: string[] };\n"
    )
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", "--rootDir", "."]
    run([compiler, *options, "--outDir", "built", "score.ts", "node.d.ts"], tmp_path)
    check(run(["node", "built/score.js", stack.url, str(example_path)], tmp_path))


def test_redocly_finds_no_error(tools: Path, document: Path) -> None:
    linter = needed(tools / "node_modules" / ".bin" / "redocly")
    run([linter, "lint", str(document)], document.parent, REDOCLY_TELEMETRY="off", CI="1")


def test_spectral_finds_no_error(tools: Path, document: Path) -> None:
    linter = needed(tools / "node_modules" / ".bin" / "spectral")
    (document.parent / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    run([linter, "lint", "--fail-severity", "error", str(document)], document.parent)
