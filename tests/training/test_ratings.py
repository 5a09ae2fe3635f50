"""Tables of ratings and the agreement of raters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facestats_training.errors import TrainingError
from facestats_training.ratings import read_ratings_table
from facestats_training.reliability import reliability


def table(folder: Path, text: str) -> Path:
    path = folder / "ratings.csv"
    path.write_text(text)
    return path


def test_several_ratings_of_a_photo_are_averaged_by_rater(tmp_path: Path) -> None:
    text = "filename,rating,rater,sex,group\na.jpg,4,x,F,g\na.jpg,6,x,F,g\na.jpg,8,y,F,g\nb.jpg,2,x,male,h\n"
    found = read_ratings_table(table(tmp_path, text), pytest.fail)
    assert found.filename == ["a.jpg", "b.jpg"]
    np.testing.assert_array_equal(found.rating, [6.5, 2])
    assert found.sex is not None
    assert found.sex.tolist() == ["female", "male"]
    assert found.group is not None
    assert found.group.tolist() == ["g", "h"]
    assert found.reliability is None, "one photo alone has two ratings"


def test_rows_that_say_nothing_are_left_out_and_counted(tmp_path: Path) -> None:
    said: list[str] = []
    found = read_ratings_table(table(tmp_path, "filename,rating\na,1\nb,good\n,3\nc,nan\nd,2\n"), said.append)
    assert found.filename == ["a", "d"]
    assert found.sex is found.group is None
    assert "3 rows" in said[0]
    assert "line 3" in said[0]


@pytest.mark.parametrize(
    ("text", "why"), [("name,rating\na,1\n", "no column filename"), ("filename,rating\na,x\n", "no usable rating")]
)
def test_tables_without_ratings_are_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=why):
        read_ratings_table(table(tmp_path, text), lambda sentence: None)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_ratings_table(tmp_path / "absent.csv", pytest.fail)


def test_shrout_and_fleiss_s_example() -> None:
    """Their table of six targets and four judges: ICC(1,1) 0.17, ICC(1,4) 0.44."""
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    found = reliability(np.repeat(np.arange(6), 4), ratings.ravel())
    assert found is not None
    assert (found.photos, found.ratings) == (6, 24)
    assert found.one == pytest.approx(0.17, abs=0.005)
    assert found.mean == pytest.approx(0.44, abs=0.005)
    assert found.ceiling == pytest.approx(found.mean**0.5)


def test_known_noise_gives_the_reliability_it_leaves() -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(0, 1, 400)
    photo = np.repeat(np.arange(400), generator.integers(1, 8, 400))
    found = reliability(photo, truth[photo] + generator.normal(0, 1, len(photo)))
    assert found is not None
    assert found.one == pytest.approx(0.5, abs=0.06)
    assert found.mean_interval[0] < found.mean < found.mean_interval[1]
    alone = reliability(np.arange(50), generator.normal(size=50))
    assert alone is None
