"""A whole evaluation: patience with a busy service, listed failures, resumption, and the written report.

The service here is a scripted HTTP server, so that it can be busy, change its model and die on command; the evaluation
of the real service is in ``tests/behaviour``.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

from facestats_evaluation.ratings import EvaluationError
from facestats_evaluation.run import CACHE_NAME, DOCUMENT_NAME, PAGE_NAME, EvaluationOptions, run_evaluation
from tests.scripted_service import Answer, Script, problem, scored, scripted_service, served_model


@dataclass
class Rated(Script):
    """The service of one evaluation; counts how often each photo is asked for."""

    receipt: str = "sha256:one"
    asked: Counter[bytes] = field(default_factory=Counter)


def good(data: bytes, receipt: str = "sha256:one", degraded: bool = False) -> Answer:
    """A score that is the photo's number times ten."""
    score = 10.0 * int(data)
    return scored(geometric=score, holistic=100 - score, receipt=receipt, degraded=degraded)


@pytest.fixture
def script() -> Iterator[Rated]:
    rated = Rated(model=lambda: served_model(receipt=rated.receipt, notices=["A notice."]), answer=good_always)
    with scripted_service(Script(rated.model, lambda data, query: counted(rated, data, query))) as running:
        rated.url = running.url
        yield rated


def good_always(data: bytes, sex: str) -> Answer:
    return good(data)


def counted(script: Rated, data: bytes, query: str) -> Answer:
    script.asked[data] += 1
    return script.answer(data, query.partition("sex=")[2].partition("&")[0])


@pytest.fixture
def options(script: Rated, tmp_path: Path) -> EvaluationOptions:
    images = tmp_path / "images"
    images.mkdir()
    rows = ["filename,rating,origin"]
    for number in range(10):
        (images / f"{number}.jpg").write_bytes(str(number).encode())
        rows.append(f"{number}.jpg,{number},{'odd' if number % 2 else 'even'}")
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return EvaluationOptions(images, ratings, tmp_path / "out", script.url, group_column="origin", pictures=False)


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=100)


def shown(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_the_report_holds_every_kind_of_score(options: EvaluationOptions, screen: Console) -> None:
    evaluation = run_evaluation(replace(options, pictures=True), screen)
    pearson = {kind: report.overall.pearson for kind, report in evaluation.kinds.items()}
    assert {kind: round(found.value, 6) for kind, found in pearson.items() if found} == {
        "geometric": 1,
        "holistic": -1,
        "blended": 1,
    }
    assert set(evaluation.kinds["geometric"].groups) == {"odd", "even"}
    document = json.loads((options.out / DOCUMENT_NAME).read_text("utf-8"))
    assert document["kinds"]["holistic"]["overall"]["pearson"]["value"] == pytest.approx(-1)
    for picture in ("scatter.png", "calibration.png", "group_gaps.png"):
        assert (options.out / picture).read_bytes().startswith(b"\x89PNG")
    page = (options.out / PAGE_NAME).read_text("utf-8")
    assert "10 of 10 rated photos have a score. Pearson r with the ratings: geometric half 1.00 [1.00,1.00]" in page
    assert "| within origin | 10 |" in page
    assert "> A notice." in page
    assert "| receipt | `sha256:one` |" in page
    for picture in ("scatter.png", "calibration.png", "group_gaps.png"):
        assert f"]({picture})" in page
    text = shown(screen)
    assert "within origin" in text
    assert "A notice." in text


def test_photos_without_scores_are_listed_and_not_fatal(
    options: EvaluationOptions, script: Rated, screen: Console
) -> None:
    (options.images / "3.jpg").unlink()
    script.answer = lambda data, sex: problem(422, "no-face") if data == b"4" else good(data)
    evaluation = run_evaluation(options, screen)
    assert {failure.filename: failure.code for failure in evaluation.failures} == {
        "3.jpg": "unreadable",
        "4.jpg": "no-face",
    }
    assert evaluation.kinds["geometric"].overall.photos == 8
    assert "4.jpg: no-face: It is no-face." in shown(screen)
    page = (options.out / PAGE_NAME).read_text("utf-8")
    assert "8 of 10 rated photos" in page
    assert "| 4.jpg | no-face | It is no-face. |" in page


def test_a_second_run_asks_for_nothing_again(options: EvaluationOptions, script: Rated, screen: Console) -> None:
    script.answer = lambda data, sex: problem(422, "no-face") if data == b"4" else good(data)
    first = run_evaluation(options, screen)
    second = run_evaluation(options, screen)
    assert set(script.asked.values()) == {1}
    assert second == first


def test_an_interrupted_run_goes_on_where_it_was(options: EvaluationOptions, script: Rated, screen: Console) -> None:
    one_at_a_time = replace(options, concurrency=1)
    script.answer = lambda data, sex: problem(401, "unauthorized") if data == b"6" else good(data)
    with pytest.raises(EvaluationError, match="run again to continue"):
        run_evaluation(one_at_a_time, screen)
    answered = [json.loads(line)["filename"] for line in (options.out / CACHE_NAME).read_text("utf-8").splitlines()]
    assert set(answered) >= {f"{number}.jpg" for number in range(6)}
    script.answer = lambda data, sex: good(data)
    assert run_evaluation(one_at_a_time, screen).kinds["geometric"].overall.photos == 10
    assert all(script.asked[str(number).encode()] == 1 for number in range(6))


def test_a_torn_last_line_is_asked_for_again(options: EvaluationOptions, script: Rated, screen: Console) -> None:
    run_evaluation(replace(options, concurrency=1), screen)
    answers = options.out / CACHE_NAME
    answers.write_bytes(answers.read_bytes()[:-20])
    evaluation = run_evaluation(options, screen)
    assert evaluation.kinds["geometric"].overall.photos == 10
    assert sum(script.asked.values()) == 11


def test_another_model_is_asked_anew(options: EvaluationOptions, script: Rated, screen: Console) -> None:
    run_evaluation(options, screen)
    script.receipt = "sha256:two"
    script.answer = lambda data, sex: good(data, "sha256:two")
    run_evaluation(options, screen)
    assert set(script.asked.values()) == {2}


def test_a_model_that_changes_during_the_run_stops_it(
    options: EvaluationOptions, script: Rated, screen: Console
) -> None:
    script.answer = lambda data, sex: good(data, "sha256:two")
    with pytest.raises(EvaluationError, match="changed its model"):
        run_evaluation(options, screen)


def test_degraded_answers_are_reported_but_asked_for_again(
    options: EvaluationOptions, script: Rated, screen: Console
) -> None:
    script.answer = lambda data, sex: good(data, degraded=True)
    evaluation = run_evaluation(options, screen)
    assert evaluation.kinds["geometric"].overall.photos == 10
    assert evaluation.kinds["holistic"].overall.photos == 0
    script.answer = lambda data, sex: good(data)
    assert run_evaluation(options, screen).kinds["holistic"].overall.photos == 10


def test_a_busy_service_is_asked_again(options: EvaluationOptions, script: Rated, screen: Console) -> None:
    def busy_at_first(data: bytes, sex: str) -> Answer:
        return problem(503, "overloaded", Retry_After="0") if script.asked[data] < 3 else good(data)

    script.answer = busy_at_first
    assert run_evaluation(options, screen).kinds["geometric"].overall.photos == 10
    assert set(script.asked.values()) == {3}


def test_the_sex_column_selects_the_parameter_set(options: EvaluationOptions, script: Rated, screen: Console) -> None:
    sexes = set()

    def note_sex(data: bytes, sex: str) -> Answer:
        sexes.add(sex)
        return good(data)

    script.answer = note_sex
    options.ratings.write_text("filename,rating,s\n0.jpg,1,female\n1.jpg,2,m\n2.jpg,3,\n", encoding="utf-8")
    run_evaluation(replace(options, group_column=None, sex_column="s"), screen)
    assert sexes == {"female", "male", ""}


def test_a_service_that_is_not_there_is_named(options: EvaluationOptions, screen: Console) -> None:
    with pytest.raises(EvaluationError, match="is it running"):
        run_evaluation(replace(options, url="http://127.0.0.1:9"), screen)


def test_no_score_at_all_is_an_error(options: EvaluationOptions, script: Rated, screen: Console) -> None:
    script.answer = lambda data, sex: problem(415, "unsupported-format")
    with pytest.raises(EvaluationError, match="no photo could be scored"):
        run_evaluation(options, screen)


def test_ratings_reach_no_photo_outside_the_folder(options: EvaluationOptions, script: Rated, tmp_path: Path) -> None:
    (tmp_path / "images2").mkdir()
    for place in ("secret.jpg", "images2/also.jpg"):
        (tmp_path / place).write_bytes(b"7")
    named = ["../secret.jpg", "x/../../secret.jpg", str(tmp_path / "secret.jpg"), "../images2/also.jpg", "zero\0.jpg"]
    with options.ratings.open("a", encoding="utf-8") as file:
        file.writelines(f"{name},5,odd\n" for name in named)
    evaluation = run_evaluation(options, Console(quiet=True))
    codes = [(failure.filename, failure.code) for failure in evaluation.failures]
    assert codes == [*((name, "elsewhere") for name in named[:-1]), (named[-1], "unreadable")]
    assert sum(script.asked.values()) == 10
    allowed = run_evaluation(replace(options, allow=[tmp_path / "images2"]), Console(quiet=True))
    assert [failure.filename for failure in allowed.failures] == [*named[:3], named[-1]]


def test_answers_of_an_unknown_model_are_not_reused(options: EvaluationOptions, script: Rated, screen: Console) -> None:
    script.receipt = "unknown"
    script.answer = lambda data, sex: good(data, receipt="unknown")
    for run in (1, 2):
        run_evaluation(options, screen)
        assert set(script.asked.values()) == {run}
