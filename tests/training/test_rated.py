"""What can be learnt from, and what is refused or warned of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facestats_export.reference_faces import disturbed
from facestats_training.errors import TrainingError
from facestats_training.rated import checked, load_rated_embeddings
from tests.training.conftest import ages, rated

EMBEDDING, AGE = ages()


def test_good_rows_are_left_as_they_are() -> None:
    data = checked(rated(EMBEDDING, AGE), pytest.fail)
    assert len(data) == len(set(data.photo.tolist())) == 355
    np.testing.assert_allclose(data.embedding, EMBEDDING, atol=1e-3)
    np.testing.assert_array_equal(data.rating, AGE)


@pytest.mark.parametrize("count", [0, 1, 99])
def test_too_few_photos_are_refused(count: int) -> None:
    with pytest.raises(TrainingError, match=f"only {count} different photos .* at least 100"):
        checked(rated(EMBEDDING[:count], AGE[:count]), pytest.fail)


def test_copies_do_not_make_few_photos_many() -> None:
    copies = rated(np.tile(EMBEDDING[:60], (2, 1)), np.tile(AGE[:60], 2))
    with pytest.raises(TrainingError, match="only 60 different photos"):
        checked(copies, lambda sentence: None)


def test_constant_ratings_are_refused() -> None:
    with pytest.raises(TrainingError, match="all ratings are 5: there is nothing to learn"):
        checked(rated(EMBEDDING, np.full(355, 5.0)), pytest.fail)


@pytest.mark.parametrize("where", ["embedding", "rating"])
def test_rows_that_are_no_numbers_are_left_out_and_named(where: str) -> None:
    embedding, age = EMBEDDING.copy(), AGE.copy()
    if where == "embedding":
        embedding[7, 3] = np.nan
    else:
        age[7] = np.inf
    said: list[str] = []
    data = checked(rated(embedding, age), said.append)
    assert len(data) == 354
    assert "7" not in data.filename
    assert len(said) == 1
    assert "1 rows are left out" in said[0]
    assert "(7)" in said[0]


def test_copies_under_other_names_are_kept_together_and_named() -> None:
    """A copy, and one as a re-encoded file gives it."""
    again = disturbed(EMBEDDING[[4]], 0.9985, seed=0)
    said: list[str] = []
    data = checked(rated(np.concatenate([EMBEDDING, EMBEDDING[[2]], again]), np.append(AGE, [30, 40])), said.append)
    assert data.photo[355] == data.photo[2]
    assert data.photo[356] == data.photo[4]
    assert len(set(data.photo.tolist())) == 355
    (sentence,) = said
    assert "2 photos occur under several names (2 = 355; 356 = 4)" in sentence


def test_a_name_that_occurs_twice_is_one_photo() -> None:
    names = np.arange(355).astype(str)
    names[9] = "8"
    data = checked(rated(EMBEDDING, AGE, filename=names), pytest.fail)
    assert data.photo[8] == data.photo[9]


def test_embeddings_are_brought_to_length_one() -> None:
    said: list[str] = []
    data = checked(rated(EMBEDDING * 3, AGE), said.append)
    np.testing.assert_allclose(np.linalg.norm(data.embedding, axis=1), 1, atol=1e-6)
    assert "not of length 1" in said[0]
    with pytest.raises(TrainingError, match="embedding of 0 is zero"):
        checked(rated(EMBEDDING * (np.arange(355) > 0)[:, None], AGE), said.append)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "all.npz",
        embedding=EMBEDDING,
        rating=AGE.astype(np.float32),
        sex=np.array(["f"] * 355, dtype=object),
        group=np.arange(355),
        geometric=AGE,
        unknown=np.zeros(3),
    )
    data = load_rated_embeddings(tmp_path / "all.npz")
    assert data.sex is not None
    assert data.group is not None
    assert data.group[3] == "3"
    assert data.sex[0] == "f"
    np.testing.assert_array_equal(data.rating, AGE)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"rating": AGE}, "no array embedding"),
        ({"embedding": EMBEDDING}, "no array rating"),
        ({"embedding": EMBEDDING[:-1], "rating": AGE}, "'embedding' .* not \\(355, D\\)"),
        ({"embedding": EMBEDDING[0], "rating": AGE}, "'embedding'"),
        ({"embedding": EMBEDDING, "rating": AGE, "sex": np.array(["f"])}, "'sex' .* not \\(355,\\)"),
        ({"embedding": EMBEDDING, "rating": AGE[:, None]}, "'rating'"),
        ({"embedding": EMBEDDING, "rating": np.array(["good"] * 355)}, "numbers that are none"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: dict[str, np.ndarray], why: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(TrainingError, match=why):
        load_rated_embeddings(tmp_path / "wrong.npz")
