"""Whole trainings: real targets are learnt, shuffled ones are not and the report says so."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from facestats_export.calibration import load_calibration
from facestats_export.checkpoints import load_regressor
from facestats_training.errors import TrainingError
from facestats_training.run import is_worthless
from tests.training.conftest import ages, train_quietly

pytestmark = pytest.mark.integration


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def kept_back(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[N] ratings, folds and predictions as written."""
    with (folder / "out_of_fold.csv").open() as file:
        rows = list(csv.DictReader(file))
    return tuple(np.array([float(row[name]) for row in rows]) for name in ("rating", "fold", "prediction"))  # type: ignore[return-value]


def ridge_on_the_same_folds(embedding: np.ndarray, rating: np.ndarray, fold: np.ndarray) -> np.ndarray:
    prediction = np.empty(len(rating))
    for number in np.unique(fold):
        test = fold == number
        model = RidgeCV(np.logspace(-3, 3, 25)).fit(embedding[~test].astype(float), rating[~test])
        prediction[test] = model.predict(embedding[test].astype(float))
    return prediction


def within(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    centred = values.astype(float).copy()
    for label in np.unique(labels):
        centred[labels == label] -= centred[labels == label].mean()
    return centred


def test_age_is_read_from_real_clip_embeddings(trained: Path) -> None:
    found = report(trained)
    assert found["n"] == 355
    assert found["out_of_fold"]["r"] >= 0.70
    low, high = found["out_of_fold"]["r_interval"]
    assert 0.6 < low < found["out_of_fold"]["r"] < high < 0.85
    assert not is_worthless(found)
    rating, _, prediction = kept_back(trained)
    assert found["out_of_fold"]["r"] == pytest.approx(np.corrcoef(prediction, rating)[0, 1])
    assert "r_within_sex" not in found["out_of_fold"]
    assert found["candidates"][0]["name"] == "ridge"
    assert found["statement"].startswith("trained on 355 photos of a test, out-of-fold r 0.7")


def test_what_is_written_belongs_together(trained: Path) -> None:
    regressor = load_regressor(trained / "regressor.pt")
    calibration = load_calibration(trained / "calibration.json")
    assert calibration.regressor_sha256 == regressor.sha256 == report(trained)["regressor_sha256"]
    assert regressor.training == report(trained)["statement"]
    _, _, prediction = kept_back(trained)
    assert calibration.score(np.array([np.median(prediction)])) == pytest.approx([50], abs=1.5)
    seen = regressor.predict(ages()[0])
    assert np.corrcoef(seen, prediction)[0, 1] > 0.8
    text = (trained / "report.md").read_text()
    for picture in ("out_of_fold.png", "learning_curve.png"):
        assert (trained / picture).read_bytes().startswith(b"\x89PNG")
        assert f"]({picture})" in text


def test_the_same_input_gives_the_same_file(trained: Path, age_file: Path, tmp_path: Path) -> None:
    train_quietly(age_file, tmp_path, pictures=False)
    for name in ("regressor.pt", "calibration.json", "out_of_fold.csv"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes(), name


def test_another_report_says_nothing_of_a_regressor(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "regressor.pt").write_bytes((trained / "regressor.pt").read_bytes())
    document = report(trained) | {"regressor_sha256": "0" * 64}
    (tmp_path / "report.json").write_text(json.dumps(document))
    assert load_regressor(tmp_path / "regressor.pt").training == ""


def test_shuffled_ratings_are_reported_as_worthless(tmp_path: Path) -> None:
    embedding, age = ages()
    np.savez(tmp_path / "shuffled.npz", embedding=embedding, rating=np.random.default_rng(2).permutation(age))
    train_quietly(tmp_path / "shuffled.npz", tmp_path / "out", pictures=False)
    found = report(tmp_path / "out")
    assert is_worthless(found)
    low, high = found["out_of_fold"]["r_interval"]
    assert low < 0 < high + 0.1
    assert abs(found["out_of_fold"]["r"]) < 0.2
    assert "**Worthless.**" in (tmp_path / "out" / "report.md").read_text()


def test_groups_differences_are_taken_out_where_asked(tmp_path: Path) -> None:
    """Two groups whose ratings differ by 20 years on average; and geometry that knows a little."""
    embedding, age = ages()
    group = np.where(embedding[:, 0] > np.median(embedding[:, 0]), "a", "b")
    shifted = within(age, group) + 20 * (group == "a")
    geometric = 50 + 0.3 * shifted + np.random.default_rng(0).normal(0, 8, len(age))
    np.savez(tmp_path / "groups.npz", embedding=embedding, rating=shifted, group=group, geometric=geometric)
    gaps = {}
    for centred in (False, True):
        out = tmp_path / str(centred)
        train_quietly(tmp_path / "groups.npz", out, center_groups=centred)
        found = report(out)
        gaps[centred] = {gap["group"]: gap for gap in found["gaps"]["group"]}
        assert found["centered"] == (["group"] if centred else [])
        assert set(found["out_of_fold"]["by_group"]) == {"a", "b"}
        assert len(found["blend"]) == 11
        assert found["blend"][0]["r"] == pytest.approx(np.corrcoef(geometric, shifted)[0, 1])
        assert (out / "blend.png").is_file()
        assert (out / "gaps_by_group.png").is_file()
    assert gaps[False]["a"]["human"] == gaps[True]["a"]["human"] > 0.3
    # How much of a gap can be learnt is the embedding's affair; that it goes when it is taken out is ours.
    assert gaps[False]["a"]["score"] > 0.2
    assert abs(gaps[True]["a"]["score"]) < gaps[False]["a"]["score"] / 2


def test_groups_must_be_there_to_be_taken_out(age_file: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--center-groups needs the groups"):
        train_quietly(age_file, tmp_path, center_groups=True)


def test_on_rated_faces_it_is_at_least_ridge_s_equal_within_sex(shared_dir: Path, tmp_path: Path) -> None:
    path = shared_dir / "embeddings" / "mebeauty_facenet_train.npz"
    train_quietly(path, tmp_path)
    found, rated = report(tmp_path), np.load(path)
    rating, fold, prediction = kept_back(tmp_path)
    sex = rated["sex"]
    ridge = ridge_on_the_same_folds(rated["embedding"], rating, fold)
    assert found["n"] == len(rating) == 1869
    ours = np.corrcoef(within(prediction, sex), within(rating, sex))[0, 1]
    assert found["out_of_fold"]["r_within_sex"] == pytest.approx(ours)
    assert ours >= np.corrcoef(within(ridge, sex), within(rating, sex))[0, 1]
    assert ours > 0.6
    assert any("photos occur under several names" in sentence for sentence in found["warnings"])
    for label in ("female", "male"):
        assert found["out_of_fold"]["by_sex"][label]["r"] > 0.5
    assert {gap["group"] for gap in found["gaps"]["group"]} == set(rated["group"].tolist())
