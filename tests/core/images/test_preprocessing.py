"""Our pixels are CLIP's own image processor's pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from facestats.images.preprocessing import clip_pixels


def processor_pixels(rgb: np.ndarray) -> np.ndarray:
    processing = pytest.importorskip("transformers.models.clip.image_processing_pil_clip")
    processor = processing.CLIPImageProcessorPil(do_rescale=False, do_normalize=False)
    chw = processor(Image.fromarray(rgb), return_tensors="np")["pixel_values"][0]
    return np.asarray(chw).transpose(1, 2, 0)


@pytest.mark.parametrize(
    "size", [(512, 512), (640, 480), (480, 641), (224, 224), (100, 333), (225, 224), (1999, 1001), (224, 2000)]
)
def test_equals_transformers_image_processor(size: tuple[int, int], photo: np.ndarray) -> None:
    rgb = np.asarray(Image.fromarray(photo).resize(size))
    ours, theirs = clip_pixels(rgb), processor_pixels(rgb)
    assert ours.shape == (224, 224, 3)
    assert ours.std() > 10
    np.testing.assert_array_equal(ours, theirs)


def test_result_is_contiguous_uint8(photo: np.ndarray) -> None:
    pixels = clip_pixels(photo)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
