"""Reliability and the warnings a person can act on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facestats.geometry import Capture, Quality, measure


def turned(capture: Capture, yaw: float = 0.0, pitch: float = 0.0) -> Quality:
    """Quality of the face after a turn in degrees."""
    a, b = np.radians([yaw, pitch])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    points = (capture.landmarks - 0.5) @ (about_x @ about_y).T + 0.5
    return measure(replace(capture, landmarks=points, first=points)).quality


def test_a_good_photo_has_no_warnings(frontal: Capture) -> None:
    quality = measure(frontal).quality
    assert quality.level == "good"
    assert quality.warnings == ()


@pytest.mark.parametrize("yaw", [-30, 30])
def test_a_turned_head_is_told_to_turn_to_the_camera(fast_frontal: Capture, yaw: float) -> None:
    quality = turned(fast_frontal, yaw=yaw)
    assert quality.level in ("fair", "poor")
    assert any(warning.startswith("Turn towards the camera") for warning in quality.warnings)


@pytest.mark.parametrize(("pitch", "advice"), [(20, "Lift your chin"), (-20, "Lower your chin")])
def test_a_tilted_head_is_told_which_way_to_move(fast_frontal: Capture, pitch: float, advice: str) -> None:
    quality = turned(fast_frontal, pitch=pitch)
    assert any(warning.startswith(advice) for warning in quality.warnings), quality


def test_a_poor_photo_says_so_first_and_names_the_smallest_factor(frontal: Capture) -> None:
    small = replace(frontal, photo_width=70, photo_height=70)
    quality = measure(small).quality
    assert quality.level == "poor"
    assert quality.limiting == "size"
    assert quality.warnings[0] == "This photo does not support a score: the face is too small."
    assert quality.warnings[1].startswith("Come closer")
    assert measure(small).score is not None, "metrics are still returned"


def test_a_face_under_twenty_pixels_has_no_reliability(frontal: Capture) -> None:
    assert measure(replace(frontal, photo_width=30, photo_height=30)).quality.reliability == 0


def test_every_level_below_good_comes_with_advice(fast_frontal: Capture) -> None:
    seen = set()
    for yaw in range(0, 50, 2):
        for pitch in range(-20, 21, 4):
            quality = turned(fast_frontal, yaw, pitch)
            seen.add(quality.level)
            assert quality.level == "good" or quality.warnings, quality
    assert seen == {"good", "fair", "poor"}
