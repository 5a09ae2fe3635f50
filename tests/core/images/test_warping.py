"""Warping: pixels land where the matrix says, and shrinking averages instead of skipping."""

from __future__ import annotations

import cv2
import numpy as np

from facestats.images.warping import warp


def test_a_shift_moves_pixels() -> None:
    photo = np.zeros((20, 30, 3), np.uint8)
    photo[5, 7] = 200
    moved = warp(photo, np.array([[1.0, 0, 4], [0, 1.0, 2]]), (30, 20))
    assert tuple(np.argwhere(moved[..., 0])[0]) == (7, 11)


def test_shrinking_averages_all_pixels() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::8] = 240
    shrunk = warp(stripes, np.array([[1 / 16, 0, 0], [0, 1 / 16, 0.0]]), (50, 50))
    assert np.ptp(shrunk[5:-5, 5:-5].astype(int)) <= 10
    assert abs(shrunk.mean() - 30) < 3


def test_a_photo_reduced_first_lands_where_the_matrix_says() -> None:
    rows, columns = np.indices((960, 1200))
    spot = 250 * np.exp(-(((columns - 600) / 90) ** 2) - ((rows - 360) / 90) ** 2)
    photo = np.repeat(spot[..., np.newaxis], 3, axis=2).astype(np.uint8)
    for scale in (0.3, 0.11, 0.05):
        shift = np.array([7.0, 3.0])
        shrunk = warp(photo, np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), (400, 300))[..., 0].astype(float)
        rows, columns = np.indices(shrunk.shape)
        found = np.array([(columns * shrunk).sum(), (rows * shrunk).sum()]) / shrunk.sum()
        np.testing.assert_allclose(found, scale * np.array([600, 360]) + shift, atol=0.05)


def test_outside_the_photo_is_the_border_colour() -> None:
    photo = np.full((10, 10, 3), 255, np.uint8)
    framed = warp(
        photo,
        np.array([[1.0, 0, 10], [0, 1.0, 10]]),
        (30, 30),
        border_mode=cv2.BORDER_CONSTANT,
        border_colour=(10.0, 20.0, 30.0),
    )
    assert framed[0, 0].tolist() == [10, 20, 30]
    assert framed[15, 15].tolist() == [255, 255, 255]
