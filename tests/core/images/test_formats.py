"""Every kind of file in the documentation's table becomes the photo that it holds, or the problem that is said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facestats.deadline import Deadline
from facestats.faces.measurer import FaceMeasurer
from facestats.faces.options import ScoreOptions
from facestats.images.imaging import decode_image
from facestats.images.limits import ImageError, ImageLimits
from facestats.landmarks.engines import MediaPipeEngines
from tests.core.images.formats.accepted import accepted_cases
from tests.core.images.formats.case import Case, example
from tests.core.images.formats.refused import refused_cases


@pytest.fixture(scope="module")
def upright() -> Image.Image:
    return example()


def like(rgb: np.ndarray, image: Image.Image) -> np.ndarray:
    """The upright photo at the size of a file that holds it smaller."""
    whole = np.asarray(image)
    step = max(1, round(whole.shape[1] / rgb.shape[1]))
    return whole[::step, ::step]


@pytest.mark.parametrize("case", list(accepted_cases()), ids=lambda case: case.name)
def test_the_photo_is_what_the_file_holds(case: Case, upright: Image.Image) -> None:
    rgb = decode_image(case.make(upright))
    expected = like(rgb, upright)
    assert rgb.shape == expected.shape
    if case.grey:
        expected = np.repeat(np.asarray(Image.fromarray(expected).convert("L"))[..., np.newaxis], 3, axis=2)
    assert np.abs(rgb.astype(int) - expected).mean() < case.tolerance


@pytest.mark.parametrize("case", list(refused_cases()), ids=lambda case: case.name)
def test_the_refusal_says_what_is_wrong(case: Case, upright: Image.Image) -> None:
    with pytest.raises(ImageError) as caught:
        decode_image(case.make(upright))
    assert caught.value.code == case.problem
    assert str(caught.value).endswith(".")


@pytest.fixture(scope="module")
def measurer() -> Iterator[FaceMeasurer]:
    measurer = FaceMeasurer(1, ImageLimits(), 1, "metrics", MediaPipeEngines())
    yield measurer
    measurer.close()


@pytest.mark.parametrize(
    "name", ["exif_garbage.png", "crc_phys.png", "exif3.heic", "a_mif1.avif", "white_is_zero_16.tif"]
)
def test_files_that_once_failed_are_scored_as_the_photo(name: str, shared_dir: Path, measurer: FaceMeasurer) -> None:
    image = measurer.open((shared_dir / "cases" / name).read_bytes())
    future = measurer.executor.submit(measurer.measure_photo, image, ScoreOptions(), Deadline(60), time.perf_counter())
    (face,) = future.result().faces
    assert face.geometry.score == pytest.approx(39.4, abs=3)
