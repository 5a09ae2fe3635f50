"""The ratings file: what is read, what is listed as unusable, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from facestats_evaluation.ratings import EvaluationError, RatedPhoto, read_ratings


def write(folder: Path, text: str) -> Path:
    path = folder / "ratings.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_become_rated_photos(tmp_path: Path) -> None:
    path = write(tmp_path, "filename,rating,sex,origin\na.jpg,5.5,female,x\nb.jpg,3,M,\n")
    photos, failures = read_ratings(path, group_column="origin", sex_column="sex")
    assert photos == [RatedPhoto("a.jpg", 5.5, "female", "x"), RatedPhoto("b.jpg", 3.0, "male", "(none)")]
    assert failures == []


def test_without_columns_there_is_no_sex_and_no_group(tmp_path: Path) -> None:
    photos, _ = read_ratings(write(tmp_path, "filename,rating,sex\na.jpg,5,female\n"))
    assert photos == [RatedPhoto("a.jpg", 5.0, None, None)]


def test_an_unknown_sex_means_pooled(tmp_path: Path) -> None:
    photos, _ = read_ratings(write(tmp_path, "filename,rating,sex\na.jpg,5,unknown\n"), sex_column="sex")
    assert photos[0].sex is None


@pytest.mark.parametrize("rating", ["", "high", "nan", "inf"])
def test_ratings_that_are_no_numbers_are_listed(tmp_path: Path, rating: str) -> None:
    photos, failures = read_ratings(write(tmp_path, f"filename,rating\na.jpg,{rating}\nb.jpg,4\n"))
    assert [photo.filename for photo in photos] == ["b.jpg"]
    assert [(failure.filename, failure.code) for failure in failures] == [("a.jpg", "bad-rating")]


def test_a_photo_rated_twice_is_listed_and_counts_once(tmp_path: Path) -> None:
    photos, failures = read_ratings(write(tmp_path, "filename,rating\na.jpg,4\na.jpg,6\n"))
    assert [photo.rating for photo in photos] == [4]
    assert [failure.code for failure in failures] == ["duplicate"]


def test_a_byte_order_mark_does_not_hide_the_first_column(tmp_path: Path) -> None:
    photos, _ = read_ratings(write(tmp_path, "\ufefffilename,rating\na.jpg,4\n"))
    assert photos[0].filename == "a.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,score\na,1\n", "no column filename, rating"),
        ("filename,rating\n", "no usable rating"),
        ("", "it has none"),
    ],
)
def test_a_file_without_ratings_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        read_ratings(write(tmp_path, text))


def test_a_missing_group_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no column origin"):
        read_ratings(write(tmp_path, "filename,rating\na,1\n"), group_column="origin")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"absent\.csv cannot be read"):
        read_ratings(tmp_path / "absent.csv")
