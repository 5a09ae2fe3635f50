"""Large documents are made and written beside the event loop, small ones on it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from facestats.scoring.documents import score_document
from facestats.scoring.schemas import ScoreDocument
from tests.asgi import running_app


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/batch"])
@pytest.mark.parametrize(
    ("query", "large"), [("", False), ("include=landmarks", True), ("include=overlay", True), ("faces=all", True)]
)
async def test_only_small_documents_are_made_on_the_event_loop(
    face: bytes, monkeypatch: pytest.MonkeyPatch, path: str, query: str, large: bool
) -> None:
    threads: list[threading.Thread] = []

    def noting(work: Any) -> Any:
        def note(*arguments: Any, **options: Any) -> Any:
            threads.append(threading.current_thread())
            return work(*arguments, **options)

        return note

    monkeypatch.setattr("facestats.scoring.pipeline.score_document", noting(score_document))
    monkeypatch.setattr(ScoreDocument, "model_dump_json", noting(ScoreDocument.model_dump_json))
    async with running_app() as (client, _):
        field = "images" if path.endswith("batch") else "image"
        answer = await client.post(f"{path}?capture=fast&{query}", files={field: face})
    assert answer.status_code == 200
    assert len(threads) == 2
    assert [thread is not threading.main_thread() for thread in threads] == [large, large]
