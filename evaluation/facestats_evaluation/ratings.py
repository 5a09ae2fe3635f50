"""Human ratings of photos, from a CSV file with the columns ``filename`` and ``rating``."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facestats.errors import FaceStatsError
from facestats.geometry import Sex

_SEXES: Mapping[str, Sex] = {"female": "female", "f": "female", "male": "male", "m": "male"}


class EvaluationError(FaceStatsError):
    """The evaluation cannot be made; the message is one sentence for a person."""


@dataclass(frozen=True)
class RatedPhoto:
    """One row of the ratings.

    Attributes:
        filename: Path of the photo below the folder of images.
        rating: Mean human rating, in the unit of the file.
        sex: Parameter set to score it with; None asks for the pooled one.
        group: Group it is reported under; None without a group column.
    """

    filename: str
    rating: float
    sex: Sex | None
    group: str | None


@dataclass(frozen=True)
class Failure:
    """A photo that has no score.

    Attributes:
        filename: As in the ratings.
        code: Stable reason, the service's problem code or one of ours.
        detail: One sentence.
    """

    filename: str
    code: str
    detail: str


def read_ratings(
    path: Path, *, group_column: str | None = None, sex_column: str | None = None
) -> tuple[list[RatedPhoto], list[Failure]]:
    """Reads the ratings.

    Args:
        path: CSV file with a header; ``filename`` and ``rating`` are required.
        group_column: Column with the group of each photo.
        sex_column: Column with ``female``/``f`` or ``male``/``m``; anything else is scored with the pooled set.

    Returns:
        The rated photos, and the rows that cannot be used.

    Raises:
        EvaluationError: The file cannot be read or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{path} cannot be read as CSV ({error}).") from error
    wanted = ["filename", "rating", *(column for column in (group_column, sex_column) if column)]
    missing = [column for column in wanted if column not in columns]
    if missing:
        raise EvaluationError(f"{path} has no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}.")
    photos: dict[str, RatedPhoto] = {}
    failures = []
    for row in rows:
        filename = (row["filename"] or "").strip()
        rating = _number(row["rating"])
        if rating is None:
            failures.append(Failure(filename, "bad-rating", f"The rating {row['rating']!r} is not a number."))
        elif filename in photos:
            failures.append(Failure(filename, "duplicate", "The photo is rated twice; the first rating counts."))
        else:
            sex = _SEXES.get((row[sex_column] or "").strip().lower()) if sex_column else None
            group = ((row[group_column] or "").strip() or "(none)") if group_column else None
            photos[filename] = RatedPhoto(filename, rating, sex, group)
    if not photos:
        raise EvaluationError(f"{path} holds no usable rating.")
    return list(photos.values()), failures


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
