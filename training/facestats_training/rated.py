"""Rated embeddings: what a regressor is trained on, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats_training.errors import TrainingError
from facestats_training.plain_arrays import read_arrays

FEWEST_PHOTOS = 100
"""On fewer photos no interval is narrow enough to tell learning from luck."""

SAME_PHOTO = 0.01
"""Rows whose squared distance is below this share of two random rows' are of one photo.

Copies and re-encodings lie below it; any two of the reference faces lie above 0.1.
"""

_NAMED = 3
_BLOCK = 1024


@dataclass(frozen=True)
class RatedEmbeddings:
    """Embeddings with what people said of the photos.

    Attributes:
        embedding: [N, D] float32, L2-normalised.
        rating: [N] float64, mean human rating in the unit of its source.
        filename: [N] text.
        sex: [N] text (``female``, ``male``, anything else is its own class), or None.
        group: [N] text, or None.
        geometric: [N] float64 geometric score, 0..100, NaN where there is none; or None.
        photo: [N] int; rows of one photo have one number.
    """

    embedding: NDArray[np.float32]
    rating: NDArray[np.float64]
    filename: NDArray[np.str_]
    sex: NDArray[np.str_] | None
    group: NDArray[np.str_] | None
    geometric: NDArray[np.float64] | None
    photo: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rating)

    def rows(self, chosen: NDArray[Any]) -> RatedEmbeddings:
        """Some of the rows, by mask or index."""
        optional = {name: getattr(self, name) for name in ("sex", "group", "geometric")}
        return replace(
            self,
            embedding=self.embedding[chosen],
            rating=self.rating[chosen],
            filename=self.filename[chosen],
            photo=self.photo[chosen],
            **{name: None if values is None else values[chosen] for name, values in optional.items()},
        )


def load_rated_embeddings(path: Path) -> RatedEmbeddings:
    """Reads ``embedding`` [N, D] and ``rating`` [N], optional ``sex``, ``group``, ``filename``, ``geometric`` [N].

    Raises:
        TrainingError: An array is missing or of another shape, or the file cannot be read.
    """
    arrays = read_arrays(path)
    missing = [name for name in ("embedding", "rating") if name not in arrays]
    if missing:
        raise TrainingError(f"'{path}' has no array {' and '.join(missing)}; it has {', '.join(arrays) or 'none'}.")
    count = len(np.atleast_1d(arrays["rating"]))
    for name in ("rating", "sex", "group", "filename", "geometric"):
        if name in arrays and arrays[name].shape != (count,):
            raise TrainingError(f"'{name}' in '{path}' has the shape {arrays[name].shape}, not ({count},) as 'rating'.")
    if arrays["embedding"].ndim != 2 or len(arrays["embedding"]) != count:
        raise TrainingError(f"'embedding' in '{path}' has the shape {arrays['embedding'].shape}, not ({count}, D).")
    try:
        return RatedEmbeddings(
            embedding=arrays["embedding"].astype(np.float32),
            rating=arrays["rating"].astype(np.float64),
            filename=_text(arrays["filename"]) if "filename" in arrays else np.arange(count).astype(np.str_),
            sex=_text(arrays["sex"]) if "sex" in arrays else None,
            group=_text(arrays["group"]) if "group" in arrays else None,
            geometric=arrays["geometric"].astype(np.float64) if "geometric" in arrays else None,
            photo=np.arange(count),
        )
    except (ValueError, TypeError) as error:
        raise TrainingError(f"'{path}' holds numbers that are none ({error}).") from error


def checked(data: RatedEmbeddings, warn: Callable[[str], None], least: int = FEWEST_PHOTOS) -> RatedEmbeddings:
    """The rows that can be learnt from, L2-normalised, with rows of one photo marked as such.

    Args:
        data: As read.
        warn: Told in one sentence what was left out or looks wrong.
        least: Fewest different photos.

    Raises:
        TrainingError: Too few photos are left, or their ratings are all the same.
    """
    finite = np.isfinite(data.embedding).all(1) & np.isfinite(data.rating)
    if not finite.all():
        names = _named(data.filename[~finite])
        warn(f"{(~finite).sum()} rows are left out: an embedding or a rating in them is not a number ({names}).")
        data = data.rows(finite)
    length = np.linalg.norm(data.embedding.astype(np.float64), axis=1, keepdims=True)
    if len(data) and (length == 0).any():
        raise TrainingError(f"the embedding of {_named(data.filename[length[:, 0] == 0])} is zero.")
    if len(data) and np.abs(length - 1).max() > 1e-2:
        warn("The embeddings are not of length 1, as the served ones are; they are brought to it.")
    data = replace(data, embedding=(data.embedding / length).astype(np.float32))
    photo = same_photos(data.embedding, data.filename) if len(data) else data.photo
    different = len(set(photo.tolist()))
    if different < least:
        raise TrainingError(f"only {different} different photos have a rating; at least {least} are needed.")
    if np.ptp(data.rating) == 0:
        raise TrainingError(f"all ratings are {data.rating[0]:g}: there is nothing to learn from them.")
    _warn_of_copies(data.filename, photo, warn)
    return replace(data, photo=photo)


def same_photos(embedding: NDArray[np.float32], filename: NDArray[np.str_]) -> NDArray[np.intp]:
    """Numbers rows so that copies of one photo, under whatever names, share a number.

    Args:
        embedding: [N, D].
        filename: [N].

    Returns:
        [N] int.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    centred = embedding - embedding.mean(0)
    size = (centred**2).sum(1)
    nearest = SAME_PHOTO * 2 * float(size.mean())
    pairs = []
    for start in range(0, len(centred), _BLOCK):
        block = slice(start, start + _BLOCK)
        distance = size[block, np.newaxis] + size - 2 * centred[block] @ centred.T
        pairs.append(np.argwhere(distance < nearest) + np.array([start, 0]))
    _, name = np.unique(filename, return_inverse=True)
    first = np.unique(name, return_index=True)[1]
    links = np.concatenate([*pairs, np.column_stack([np.arange(len(name)), first[name]])])
    graph = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(len(name), len(name)))
    labels: NDArray[np.intp] = connected_components(graph, directed=False)[1].astype(np.intp)
    return labels


def _warn_of_copies(filename: NDArray[np.str_], photo: NDArray[np.intp], warn: Callable[[str], None]) -> None:
    copies = [
        names
        for number in np.flatnonzero(np.bincount(photo) > 1)
        if len(names := sorted(set(filename[photo == number]))) > 1
    ]
    if copies:
        shown = "; ".join(" = ".join(names[:_NAMED]) for names in copies[:_NAMED])
        warn(
            f"{len(copies)} photos occur under several names ({shown}{' ...' if len(copies) > _NAMED else ''}). They "
            "are kept together, so that none is judged by a network that saw its copy; one row each would be better."
        )


def _text(values: NDArray[Any]) -> NDArray[np.str_]:
    return np.array(["" if value is None else str(value) for value in values.tolist()], dtype=np.str_)


def _named(names: NDArray[np.str_]) -> str:
    return ", ".join(names[:_NAMED].tolist()) + (" ..." if len(names) > _NAMED else "")
