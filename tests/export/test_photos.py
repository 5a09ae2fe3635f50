"""The photos an export is proved on."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from facestats.images.imaging import decode_image
from facestats.places import example_photo
from facestats_export.errors import ExportError
from facestats_export.photos import AUGMENTATIONS, ROUNDING_PHOTOS, parity_files, rounding_files


def test_by_default_the_example_in_many_disguises_always_the_same() -> None:
    files = parity_files(None)
    assert len(files) == AUGMENTATIONS == len(set(files))
    assert files[0] == example_photo().read_bytes()
    assert files == parity_files(None)
    assert all(decode_image(data).ndim == 3 for data in files)


def test_weights_are_rounded_on_photos_that_the_proof_does_not_see() -> None:
    files = rounding_files()
    assert len(files) == ROUNDING_PHOTOS == len(set(files))
    assert files == rounding_files()
    assert not set(files) & set(parity_files(None))


def test_a_folder_s_photos_in_order_without_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    photos = {}
    for name, colour in (("b.jpg", "red"), ("deeper/a.PNG", "blue")):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), colour).save(buffer, "JPEG" if name.endswith("jpg") else "PNG")
        photos[name] = buffer.getvalue()
        (tmp_path / name).write_bytes(photos[name])
    (tmp_path / "c.jpg").write_bytes(b"no photo")
    (tmp_path / "ratings.csv").write_text("photo,rating\n")
    assert parity_files(tmp_path) == [photos["b.jpg"], photos["deeper/a.PNG"]]


@pytest.mark.parametrize("names", [(), ("damaged.jpg",)])
def test_a_folder_without_photos_is_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"no photo")
    with pytest.raises(ExportError, match="holds no readable photo"):
        parity_files(tmp_path)
