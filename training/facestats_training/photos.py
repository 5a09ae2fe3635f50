"""Photos to embeddings, through the running service: cropped as in serving, resumable, remembered by receipt."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facestats_client import (
    FaceStatsClient,
    FaceStatsError,
    ImageRefusedError,
    NoFaceError,
    ScoreOptions,
    ScoreResult,
)
from facestats_training.errors import TrainingError

_PARAMETER_SETS: Mapping[str, Literal["female", "male"]] = {"female": "female", "male": "male"}


@dataclass(frozen=True)
class Seen:
    """What the service saw in one photo.

    Attributes:
        embedding: [D] float32; None where the photo was refused.
        geometric: Geometric score, 0..100; NaN where there is none.
        refusal: Why there is no embedding, one sentence.
    """

    embedding: NDArray[np.float32] | None
    geometric: float = float("nan")
    refusal: str = ""


class SeenPhotos:
    """Remembers what the service saw, one JSON line a photo, written at once.

    An entry belongs to the photo's bytes, the parameter set of its sex and the service's receipt.

    Args:
        path: The file; made if absent. A torn last line, of a run that was killed, is ignored.
        receipt: The service's.
    """

    def __init__(self, path: Path, receipt: str) -> None:
        self._receipt = receipt
        self._entries: dict[str, Seen] = {}
        self._lock = threading.Lock()
        text = path.read_text("utf-8") if path.is_file() else ""
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self._entries[entry["key"]] = _read_entry(entry)
            except (ValueError, KeyError, TypeError):
                continue
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        if text and not text.endswith("\n"):
            self._file.write("\n")

    def key(self, data: bytes, sex: str | None) -> str:
        """What an entry belongs to."""
        return hashlib.sha256(f"{self._receipt}\n{sex}\n".encode() + data).hexdigest()

    def get(self, key: str) -> Seen | None:
        """What was seen, if it was."""
        return self._entries.get(key)

    def put(self, key: str, seen: Seen) -> None:
        """Remembers what was seen."""
        self._entries[key] = seen
        entry: dict[str, Any] = {"key": key, "refusal": seen.refusal}
        if seen.embedding is not None:
            entry["embedding"] = base64.b64encode(seen.embedding.astype("<f4").tobytes()).decode()
            entry["geometric"] = None if np.isnan(seen.geometric) else seen.geometric
        with self._lock:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def see_photos(
    client: FaceStatsClient,
    memory: Path,
    photos: Sequence[Path],
    sexes: Sequence[str | None],
    *,
    concurrency: int,
    advance: Callable[[], None],
) -> list[Seen]:
    """What the service sees in each photo's largest face, in the given order.

    Args:
        client: Of the running service.
        memory: File in which answers are remembered.
        photos: Image files.
        sexes: Parameter set of the geometric half for each photo, ``female`` or ``male``; anything else means pooled.
        concurrency: Photos in flight.
        advance: Called after each photo.

    Raises:
        TrainingError: The service cannot be reached or changed its model; what it answered is remembered.
    """
    try:
        receipt = client.model().receipt
    except FaceStatsError as error:
        raise TrainingError(f"no answer from {client.url} ({error}); start it with `facestats up`.") from error
    seen_photos = SeenPhotos(memory, receipt)

    def see(path: Path, sex: str | None) -> Seen:
        try:
            data = path.read_bytes()
        except OSError as error:
            return Seen(None, refusal=f"The file cannot be read ({error.strerror}).")
        options = ScoreOptions(sex=_PARAMETER_SETS.get(sex or ""), include=["embedding"])
        key = seen_photos.key(data, options.sex)
        known = seen_photos.get(key)
        if known is None:
            try:
                known = _seen(client.score(data, options), receipt)
            except (NoFaceError, ImageRefusedError) as refusal:
                known = Seen(None, refusal=str(refusal))
            seen_photos.put(key, known)
        advance()
        return known

    with ThreadPoolExecutor(concurrency, thread_name_prefix="photos") as pool:
        try:
            return list(pool.map(see, photos, sexes))
        except FaceStatsError as error:
            raise TrainingError(f"the service stopped answering ({error}); run again to go on.") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            seen_photos.close()


def _seen(result: ScoreResult, receipt: str) -> Seen:
    if result.model.receipt != receipt:
        raise TrainingError("the service changed its model meanwhile; run again.")
    if result.degraded or result.face.embedding is None:
        raise TrainingError("the service answers without embeddings (Triton is away); run again later.")
    score = result.face.geometric.score
    return Seen(np.array(result.face.embedding, np.float32), float("nan") if score is None else score)


def _read_entry(entry: dict[str, Any]) -> Seen:
    if "embedding" not in entry:
        return Seen(None, refusal=str(entry["refusal"]))
    embedding = np.frombuffer(base64.b64decode(entry["embedding"]), "<f4").astype(np.float32)
    return Seen(embedding, float("nan") if entry["geometric"] is None else float(entry["geometric"]))
