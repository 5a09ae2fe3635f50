"""Two Ray nodes on one machine, a worker killed in the middle: one row an input, equal to the gateway's."""

from __future__ import annotations

import functools
import http.server
import io
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.bulk import ray_nodes
from facestats.faces.options import ScoreOptions
from facestats_bulk.blocks import BLOCK_ATTEMPTS, Receipt
from facestats_bulk.errors import BulkError
from facestats_bulk.run import BulkOptions, Summary, run_bulk
from facestats_bulk.schema import document_of
from facestats_gateway.settings import Settings
from tests.stack import Stack

pytestmark = pytest.mark.integration

PROBLEMS = {"no-face": 1, "not-an-image": 1, "empty-body": 1, "truncated-image": 1, "too-small": 1, "unreadable": 2}


@dataclass
class Collection:
    """Photos of every kind of input.

    Attributes:
        folder: Files, bad ones among them.
        images: Parquet file with image bytes.
        paths: Parquet file with paths, some of them in ``folder`` too.
        count: Distinct inputs.
    """

    folder: Path
    images: Path
    paths: Path
    count: int

    @property
    def inputs(self) -> list[str]:
        """As given on the command line."""
        return [f"file://{self.folder}", str(self.images), str(self.paths)]


@pytest.fixture(scope="module")
def collection(photos: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Collection:
    root = tmp_path_factory.mktemp("collection")
    folder = root / "photos"
    folder.mkdir()
    for index, photo in enumerate(photos[:80]):
        (folder / f"{index:03d}.jpg").write_bytes(photo)
    grey, dot = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (300, 300), "grey").save(grey, "PNG")
    Image.new("RGB", (3, 3)).save(dot, "PNG")
    bad = {"grey.png": grey.getvalue(), "dot.png": dot.getvalue(), "empty.jpg": b"", "text.jpg": b"no image"}
    for name, data in (bad | {"half.jpg": photos[0][: len(photos[0]) // 2]}).items():
        (folder / name).write_bytes(data)
    pq.write_table(pa.table({"image": [*photos[80:95], None]}), root / "images.parquet", row_group_size=6)
    listed = ["photos/000.jpg", "photos/001.jpg", "missing.jpg"]
    pq.write_table(pa.table({"path": listed}), root / "paths.parquet")
    return Collection(folder, root / "images.parquet", root / "paths.parquet", 80 + 5 + 16 + 1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of two nodes of one CPU each."""
    with ray_nodes(2, 1) as address:
        yield address


@dataclass
class Run:
    """A finished run with what its workers said."""

    options: BulkOptions
    summary: Summary
    receipts: list[Receipt]
    killed: int


@pytest.fixture(scope="module")
def run(collection: Collection, cluster: str, spread_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Everything scored on both nodes; the first worker to finish a block is killed over its second one."""
    options = BulkOptions(
        inputs=collection.inputs,
        output=str(tmp_path_factory.mktemp("bulk") / "scores"),
        score=ScoreOptions(capture="fast"),
        repository=spread_repository,
        address=cluster,
    )
    receipts: list[Receipt] = []

    def kill_the_first(summary: Summary, receipt: Receipt | None) -> None:
        if receipt is not None:
            receipts.append(receipt)
            if len(receipts) == 1:
                os.kill(receipt.pid, signal.SIGKILL)

    summary = run_bulk(options, kill_the_first)
    return Run(options, summary, receipts, receipts[0].pid)


def rows(output: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(output).to_pylist(maps_as_pydicts="strict")
    return found


def test_killed_worker_loses_and_duplicates_nothing(run: Run, collection: Collection) -> None:
    assert len({receipt.pid for receipt in run.receipts}) >= 3, "the killed worker was replaced"
    assert len(run.summary.nodes) == 2
    ids = [row["id"] for row in rows(run.options.output)]
    assert len(ids) == len(set(ids)) == collection.count
    expected = {str(path) for path in collection.folder.iterdir()}
    expected |= {f"{collection.images}#{row}" for row in range(16)} | {str(collection.folder.parent / "missing.jpg")}
    assert set(ids) == expected
    assert [path.name for path in Path(run.options.output).iterdir() if not path.name.startswith("part-")] == []


def test_bad_images_are_rows_with_a_problem(run: Run) -> None:
    found = [row for row in rows(run.options.output) if row["problem_type"] is not None]
    codes = sorted(row["problem_type"].rpartition(":")[2] for row in found)
    assert codes == sorted(code for code, count in PROBLEMS.items() for _ in range(count))
    assert all(row["problem_detail"] and row["faces"] is None and row["score"] is None for row in found)


def test_summary_counts_what_happened(run: Run, collection: Collection) -> None:
    summary = run.summary
    assert (summary.inputs, summary.repeated, summary.done_before) == (collection.count, 2, 0)
    assert dict(summary.problems) == PROBLEMS
    assert (summary.scored, summary.missing) == (collection.count - sum(PROBLEMS.values()), 0)
    assert summary.files == len(list(Path(run.options.output).iterdir()))
    assert summary.rate > 0


def test_every_score_is_the_gateway_s(run: Run, spread_stack: Stack) -> None:
    scores = []
    with httpx.Client(base_url=spread_stack.url, timeout=60) as client:
        for row in rows(run.options.output):
            data = row_bytes(row)
            if data is None:
                assert row["problem_type"].endswith(":unreadable")
                continue
            body = {"files": {"image": data}} if data else {"content": b"", "headers": {"Content-Type": "image/jpeg"}}
            answer = client.post("/v1/score", params={"capture": "fast"}, **body).json()
            if row["problem_type"] is not None:
                assert (row["problem_type"], row["problem_status"]) == (answer["type"], answer["status"])
                continue
            document = document_of(row).model_dump(mode="json", exclude={"timing_ms"})
            del answer["timing_ms"]
            assert document == answer, row["id"]
            scores.append(row["holistic_score"])
    assert max(scores) - min(scores) > 15
    assert 0 < min(scores) <= max(scores) < 100


def row_bytes(row: dict[str, Any]) -> bytes | None:
    """The image a row is about."""
    if row["row"] is not None:
        value: bytes | None = pq.read_table(row["path"])["image"][row["row"]].as_py()
        return value
    return Path(row["path"]).read_bytes() if Path(row["path"]).is_file() else None


def test_second_run_does_only_what_is_missing(run: Run, photos: list[bytes], tmp_path: Path) -> None:
    output = shutil.copytree(run.options.output, tmp_path / "scores")
    lost, *kept = sorted(output.glob("part-*.parquet"))
    before = {path: path.stat().st_mtime_ns for path in kept}
    missing = set(pq.read_table(lost)["id"].to_pylist())
    lost.unlink()
    new = tmp_path / "new.jpg"
    new.write_bytes(photos[99])
    options = replace(run.options, inputs=[*run.options.inputs, str(new)], output=str(output))
    summary = run_bulk(options)
    assert summary.written == len(missing) + 1
    assert summary.done_before == run.summary.inputs - len(missing)
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    ids = [row["id"] for row in rows(str(output))]
    assert len(ids) == len(set(ids)) == run.summary.inputs + 1
    assert set(ids) == {row["id"] for row in rows(run.options.output)} | {str(new)}
    again = run_bulk(options)
    assert (again.written, again.pool, again.done_before) == (0, None, summary.inputs)


def test_other_options_need_another_folder(run: Run) -> None:
    with pytest.raises(BulkError, match="another crop"):
        run_bulk(replace(run.options, score=ScoreOptions(crop="full", capture="fast")))


def test_workers_let_triton_run_the_models(
    run: Run, spread_stack: Stack, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In two rounds, as a collection is scored that is larger than what is listed at a time."""
    monkeypatch.setattr("facestats_bulk.run.ROUND_INPUTS", 12)
    photos = sorted(str(path) for path in collection.folder.glob("0[01]?.jpg"))
    options = replace(
        run.options,
        inputs=photos,
        output=str(tmp_path / "scores"),
        use_triton=True,
        settings=Settings(triton_urls=spread_stack.grpc, face_networks=spread_stack.repository),
    )
    assert run_bulk(options).scored == len(photos) == 20
    in_process = {row["id"]: row for row in rows(run.options.output)}
    for row in rows(options.output):
        expected = in_process[row["id"]]
        assert row["receipt"] == expected["receipt"]
        assert row["geometric_score"] == expected["geometric_score"]
        # Triton batches the photos of two workers, and a batch's last bits depend on its size.
        assert row["holistic_score"] == pytest.approx(expected["holistic_score"], abs=0.011)
        assert row["raw"] == pytest.approx(expected["raw"], abs=2e-6)


class _Poison(http.server.SimpleHTTPRequestHandler):
    """Serves photos; whoever but this process asks for the poison is killed, as by a decoder's crash."""

    def do_GET(self) -> None:
        self._poison()
        super().do_GET()

    def do_HEAD(self) -> None:
        self._poison()
        super().do_HEAD()

    def _poison(self) -> None:
        if "poison" not in self.path:
            return
        asking = [entry.pid for entry in psutil.net_connections("tcp4") if entry.laddr == self.client_address]
        for pid in asking:
            if pid is not None and pid != os.getpid():
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keeps the test's output clean."""


killed: list[int] = []


def test_image_that_kills_its_worker_does_not_keep_the_others_from_their_rows(
    run: Run, photos: list[bytes], tmp_path: Path
) -> None:
    names = ["0.jpg", "1.jpg", "2.jpg", "poison.jpg", "3.jpg", "4.jpg"]
    for name, photo in zip(names, photos, strict=False):
        (tmp_path / name).write_bytes(photo)
    handler = functools.partial(_Poison, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        urls = [f"http://127.0.0.1:{server.server_port}/{name}" for name in names]
        options = replace(run.options, inputs=urls, output=str(tmp_path / "scores"), rows_per_file=1)
        summary = run_bulk(options)
        server.shutdown()
    assert len(killed) == BLOCK_ATTEMPTS
    assert (summary.inputs, summary.scored, summary.missing) == (6, 5, 1)
    assert {row["id"] for row in rows(options.output)} == {url for url in urls if "poison" not in url}
