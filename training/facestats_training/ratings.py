"""A table of ratings: a row a photo, or a row a photo and rater."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facestats_training.errors import TrainingError
from facestats_training.reliability import Reliability, reliability

COLUMNS = ("filename", "rating")
_SEXES = {"f": "female", "m": "male"}


@dataclass(frozen=True)
class RatingsTable:
    """Mean rating of each photo.

    Attributes:
        filename: [N] text, as in the table.
        rating: [N] float64, mean over its ratings.
        sex: [N] text, or None without the column.
        group: [N] text, or None without the column.
        reliability: Agreement between the ratings of a photo, or None where photos have one each.
    """

    filename: list[str]
    rating: NDArray[np.float64]
    sex: NDArray[np.str_] | None
    group: NDArray[np.str_] | None
    reliability: Reliability | None


def read_ratings_table(path: Path, warn: Callable[[str], None]) -> RatingsTable:
    """Reads ``filename, rating`` and optional ``rater``, ``sex``, ``group``.

    A photo may have many rows: its rating is their mean, and its sex and group are the first row's. A rater who rates
    a photo twice counts with the mean of both.

    Args:
        path: CSV file with a header.
        warn: Told in one sentence which rows were left out.

    Raises:
        TrainingError: The file cannot be read or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"'{path}' cannot be read as CSV ({error}).") from error
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise TrainingError(f"'{path}' has no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}.")
    given: dict[str, dict[str, list[float]]] = {}
    words: dict[str, dict[str, str]] = {}
    left_out = []
    for line, row in enumerate(rows, start=2):
        filename, rating = (row["filename"] or "").strip(), _number(row["rating"])
        if not filename or rating is None:
            left_out.append(line)
            continue
        rater = (row.get("rater") or "").strip() or f"line {line}"
        given.setdefault(filename, {}).setdefault(rater, []).append(rating)
        words.setdefault(filename, {name: (row.get(name) or "").strip() for name in ("sex", "group")})
    if left_out:
        warn(f"{len(left_out)} rows of '{path}' have no filename or no number (first: line {left_out[0]}); left out.")
    if not given:
        raise TrainingError(f"'{path}' holds no usable rating.")
    by_rater = [[float(np.mean(ratings)) for ratings in raters.values()] for raters in given.values()]
    photo = np.repeat(np.arange(len(by_rater)), [len(ratings) for ratings in by_rater])
    return RatingsTable(
        filename=list(given),
        rating=np.array([np.mean(ratings) for ratings in by_rater]),
        sex=np.array([_sex(words[name]["sex"]) for name in given]) if "sex" in columns else None,
        group=np.array([words[name]["group"] for name in given]) if "group" in columns else None,
        reliability=reliability(photo, np.concatenate(by_rater)),
    )


def _sex(word: str) -> str:
    return _SEXES.get(word.lower(), word.lower())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if np.isfinite(number) else None
