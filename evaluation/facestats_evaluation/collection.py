"""Scores a folder of rated photos and remembers every answer, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facestats.holistic.provenance import UNKNOWN
from facestats_evaluation.ratings import EvaluationError, Failure, RatedPhoto
from facestats_evaluation.service import FaceScores, PhotoRefusedError, ScoringService


@dataclass(frozen=True)
class ScoredPhoto:
    """A rated photo with its scores."""

    photo: RatedPhoto
    scores: FaceScores


class AnswerCache:
    """Answers of the service, one JSON line each, appended as they come.

    An answer belongs to the photo's bytes, the parameter set and the service's receipt: another model, another photo
    under the same name or another sex is asked for anew.

    Args:
        path: The JSONL file; made if absent. A torn last line, from a run that was killed, is ignored.
        receipt: The service's receipt; answers with another one are refused.
    """

    def __init__(self, path: Path, receipt: str) -> None:
        self._receipt = receipt
        self._answers: dict[str, dict[str, Any]] = {}
        torn = False
        if path.is_file():
            text = path.read_text("utf-8")
            torn = bool(text) and not text.endswith("\n")
            for line in text.splitlines():
                try:
                    entry = json.loads(line)
                    self._answers[entry["key"]] = entry
                except (json.JSONDecodeError, KeyError, TypeError):
                    continue
        self._file = path.open("a", encoding="utf-8")
        if torn:
            self._file.write("\n")

    def key(self, data: bytes, photo: RatedPhoto) -> str:
        """What an answer belongs to."""
        identity = f"{self._receipt}\n{photo.sex}\n".encode()
        return hashlib.sha256(identity + data).hexdigest()

    def get(self, key: str) -> FaceScores | PhotoRefusedError | None:
        """The remembered answer; none of a service that does not know what it serves: it may be something else now."""
        entry = self._answers.get(key)
        if entry is None or self._receipt == UNKNOWN:
            return None
        if "refused" in entry:
            return PhotoRefusedError(entry["refused"]["code"], entry["refused"]["detail"])
        return FaceScores(**entry["scores"])

    def put(self, key: str, filename: str, answer: FaceScores | PhotoRefusedError) -> None:
        """Remembers an answer, on disk at once; not a degraded one, which a later run may better.

        Raises:
            EvaluationError: The answer comes from another model than the one this run began with.
        """
        if isinstance(answer, FaceScores) and answer.receipt != self._receipt:
            raise EvaluationError("the service changed its model during the run; run again to score with the new one.")
        if isinstance(answer, FaceScores) and answer.degraded:
            return
        entry: dict[str, Any] = {"key": key, "filename": filename}
        if isinstance(answer, PhotoRefusedError):
            entry["refused"] = {"code": answer.code, "detail": str(answer)}
        else:
            entry["scores"] = asdict(answer)
        self._answers[key] = entry
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def score_photos(
    service: ScoringService,
    cache: AnswerCache,
    images: Path,
    photos: Sequence[RatedPhoto],
    *,
    allow: Sequence[Path] = (),
    concurrency: int,
    on_done: Callable[[], None],
) -> tuple[list[ScoredPhoto], list[Failure]]:
    """Scores every photo, the remembered ones without asking.

    Args:
        service: The running service.
        cache: Answers of earlier runs; new ones are added.
        images: Folder that the photos' names are below.
        photos: What to score; one that is not named below the folder, or a further one, is not read.
        allow: Further folders.
        concurrency: Photos in flight.
        on_done: Called after each photo.

    Returns:
        The scored photos in the given order, and those without a score.

    Raises:
        EvaluationError: The service stopped answering; what was answered is remembered.
    """
    scored: dict[str, ScoredPhoto] = {}
    failures: dict[str, Failure] = {}

    def ask(photo: RatedPhoto) -> tuple[str | None, FaceScores | PhotoRefusedError]:
        if not any(_lies_below(images / photo.filename, folder) for folder in (images, *allow)):
            return None, PhotoRefusedError(
                "elsewhere", f"The file does not lie below {images}; --allow names further folders."
            )
        try:
            data = (images / photo.filename).read_bytes()
        except OSError as error:
            return None, PhotoRefusedError("unreadable", f"The file cannot be read ({error.strerror}).")
        except ValueError as error:
            return None, PhotoRefusedError("unreadable", f"No file can have this name ({error}).")
        key = cache.key(data, photo)
        remembered = cache.get(key)
        if remembered is not None:
            return None, remembered
        try:
            return key, service.score(data, photo.sex)
        except PhotoRefusedError as refusal:
            return key, refusal

    with ThreadPoolExecutor(concurrency, thread_name_prefix="evaluate") as pool:
        futures = {pool.submit(ask, photo): photo for photo in photos}
        try:
            for future in as_completed(futures):
                photo = futures[future]
                key, answer = future.result()
                if key is not None:
                    cache.put(key, photo.filename, answer)
                if isinstance(answer, PhotoRefusedError):
                    failures[photo.filename] = Failure(photo.filename, answer.code, str(answer))
                else:
                    scored[photo.filename] = ScoredPhoto(photo, answer)
                on_done()
        except (EvaluationError, KeyboardInterrupt):
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    names = [photo.filename for photo in photos]
    return [scored[name] for name in names if name in scored], [failures[name] for name in names if name in failures]


def _lies_below(path: Path, folder: Path) -> bool:
    """By its name: which links lie in a folder is its owner's affair."""
    # pathlib's own way to an absolute path without ".." follows links.
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))  # noqa: PTH100
