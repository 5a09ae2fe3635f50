"""Where the regressor comes from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import numpy as np
import pytest

from facestats_export import sources
from facestats_export.errors import ExportError
from facestats_export.sources import FILE_NAME, PUBLIC_SHA256, PUBLIC_URL, find_regressor
from tests.export.spread_tower import SpreadTower


def answers(monkeypatch: pytest.MonkeyPatch, content: bytes | Exception) -> list[str]:
    """Puts an answer in the place of the network; returns the addresses asked for."""
    asked: list[str] = []

    def get(url: str, **options: object) -> httpx.Response:
        asked.append(url)
        if isinstance(content, Exception):
            raise content
        return httpx.Response(200, content=content, request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", get)
    return asked


def test_a_path_and_a_kept_file_are_loaded(tower: SpreadTower, tmp_path: Path) -> None:
    given = find_regressor(str(tower.regressor), tmp_path, pytest.fail)
    assert given.trained
    (tmp_path / FILE_NAME).write_bytes(tower.regressor.read_bytes())
    assert find_regressor("auto", tmp_path, pytest.fail).sha256 == given.sha256


def test_untrained_is_seeded_and_says_so(tmp_path: Path) -> None:
    first, second = (find_regressor("untrained", tmp_path, pytest.fail) for _ in range(2))
    assert not first.trained
    assert first.id == "untrained"
    np.testing.assert_array_equal(first.layers[0].weight, second.layers[0].weight)


def test_without_network_auto_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, httpx.ConnectError("no route"))
    said: list[str] = []
    assert not find_regressor("auto", tmp_path, said.append).trained
    assert asked == [PUBLIC_URL]
    assert len(said) == 1
    assert "untrained" in said[0]
    assert not list(tmp_path.iterdir())


def test_a_download_of_something_else_is_not_kept(
    tower: SpreadTower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, tower.regressor.read_bytes())
    said: list[str] = []
    assert not find_regressor("auto", tmp_path, said.append).trained
    assert PUBLIC_SHA256 in said[0]
    assert not list(tmp_path.iterdir())


def test_the_right_download_is_kept_and_not_fetched_again(
    tower: SpreadTower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tower.regressor.read_bytes()
    asked = answers(monkeypatch, data)
    monkeypatch.setattr(sources, "PUBLIC_SHA256", hashlib.sha256(data).hexdigest())
    for _ in range(2):
        assert find_regressor("auto", tmp_path / "weights", pytest.fail).trained
    assert asked == [PUBLIC_URL]
    assert (tmp_path / "weights" / FILE_NAME).read_bytes() == data


def test_a_kept_file_that_is_damaged_is_an_error_not_a_reason_for_random_weights(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"damaged")
    with pytest.raises(ExportError, match="damaged"):
        find_regressor("auto", tmp_path, pytest.fail)
