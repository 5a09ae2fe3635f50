"""A real headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(photo: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with the example photo in front of its camera.

    One a module: Playwright's synchronous interface keeps an event loop running in this thread until it is closed.
    """
    if CHROMIUM is None:
        pytest.skip("needs Chromium, for example Debian's package `chromium`")
    camera = write_camera_film(tmp_path_factory.mktemp("camera") / "face.y4m", photo)
    arguments = [
        *ARGUMENTS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


def write_camera_film(path: Path, rgb: NDArray[np.uint8]) -> Path:
    """Writes a YUV4MPEG2 film of one still picture, [H, W, 3] uint8 with even sides."""
    height, width = rgb.shape[:2]
    frame = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).tobytes()
    header = f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420\n".encode()
    path.write_bytes(header + 10 * (b"FRAME\n" + frame))
    return path
