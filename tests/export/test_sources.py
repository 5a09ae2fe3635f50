"""Where the regressor comes from."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import httpx
import numpy as np
import pytest

from facestats_export import sources
from facestats_export.errors import ExportError
from facestats_export.sources import APP_CHOICE, FACESTATS, FACESTATS_APP, PublicRegressor, find_regressor
from tests.export.spread_tower import SpreadTower

CHOICES = pytest.mark.parametrize(
    ("choice", "name"), [("auto", "FACESTATS"), (APP_CHOICE, "FACESTATS_APP")], ids=["auto", "app"]
)


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
    (tmp_path / FACESTATS.kept_as).write_bytes(tower.regressor.read_bytes())
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
    assert asked == [FACESTATS.url]
    assert len(said) == 1
    assert "untrained" in said[0]
    assert not list(tmp_path.iterdir())


def test_asked_for_by_name_random_weights_do_not_stand_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, httpx.ConnectError("no route"))
    with pytest.raises(ExportError, match="cannot be downloaded"):
        find_regressor(APP_CHOICE, tmp_path, pytest.fail)
    assert asked == [FACESTATS_APP.url]


def test_a_download_of_something_else_is_not_kept(
    tower: SpreadTower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, tower.regressor.read_bytes())
    said: list[str] = []
    assert not find_regressor("auto", tmp_path, said.append).trained
    assert FACESTATS.sha256 in said[0]
    assert not list(tmp_path.iterdir())


@CHOICES
def test_the_right_download_is_kept_and_not_fetched_again(
    choice: str, name: str, tower: SpreadTower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tower.regressor.read_bytes()
    public: PublicRegressor = getattr(sources, name)
    asked = answers(monkeypatch, data)
    monkeypatch.setattr(sources, name, dataclasses.replace(public, sha256=hashlib.sha256(data).hexdigest()))
    for _ in range(2):
        assert find_regressor(choice, tmp_path / "weights", pytest.fail).trained
    assert asked == [public.url]
    assert (tmp_path / "weights" / public.kept_as).read_bytes() == data


def test_a_kept_file_that_is_damaged_is_an_error_not_a_reason_for_random_weights(tmp_path: Path) -> None:
    (tmp_path / FACESTATS.kept_as).write_bytes(b"damaged")
    with pytest.raises(ExportError, match="damaged"):
        find_regressor("auto", tmp_path, pytest.fail)


def test_the_application_s_regressor_under_auto_s_name_is_named(shared_dir: Path, tmp_path: Path) -> None:
    """Where an earlier version downloaded it as ``auto``."""
    data = (shared_dir / "facestats" / "attractiveness_regressor_512-256-64-1.pt").read_bytes()
    (tmp_path / FACESTATS.kept_as).write_bytes(data)
    said: list[str] = []
    assert find_regressor("auto", tmp_path, said.append).sha256 == FACESTATS_APP.sha256
    assert "facestats-app" in said[0]


@pytest.mark.parametrize(
    ("public", "sizes"), [(FACESTATS, "512-256-256-1"), (FACESTATS_APP, "512-256-64-1")], ids=["auto", "app"]
)
def test_the_public_files_are_the_ones_named(public: PublicRegressor, sizes: str, shared_dir: Path) -> None:
    data = (shared_dir / "facestats" / f"attractiveness_regressor_{sizes}.pt").read_bytes()
    assert hashlib.sha256(data).hexdigest() == public.sha256
