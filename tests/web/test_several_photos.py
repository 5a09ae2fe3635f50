"""Several photos, several faces, embedding and phones: the page in a real browser, against the real service."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageEnhance
from playwright.sync_api import Browser, FilePayload, expect

from tests.stack import Stack
from tests.web.test_page import PHONE, SCORED, Visit, assert_accessible, gateway

pytestmark = pytest.mark.integration


def payload(name: str, image: Image.Image) -> FilePayload:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=92)
    return {"name": name, "mimeType": "image/jpeg", "buffer": buffer.getvalue()}


@pytest.fixture
def visit(browser: Browser, stack: Stack) -> Iterator[Visit]:
    context = browser.new_context()
    yield Visit(context, stack.url)
    context.close()


@pytest.fixture(scope="module")
def photos(example_path: Path) -> list[FilePayload]:
    """Two photos of one person, one of another light, and one without a face."""
    with Image.open(example_path) as image:
        image.load()
    empty = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8))
    return [
        payload("one.jpg", image),
        payload("mirrored.jpg", image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        payload("dark.jpg", ImageEnhance.Brightness(image).enhance(0.75)),
        payload("empty.jpg", empty),
    ]


def test_several_photos_are_scored_together_and_each_is_accounted_for(visit: Visit, photos: list[FilePayload]) -> None:
    visit.choose(photos)
    page = visit.page
    expect(page.locator("#album")).to_be_visible(timeout=SCORED)
    expect(page.locator("#album-title")).to_have_text("Geometric score of 3 photos together")
    expect(page.locator("#together")).to_contain_text("Range")
    entries = page.locator("#album-photos li")
    expect(entries).to_have_count(4)
    expect(entries.nth(3)).to_contain_text("left out")
    expect(entries.nth(3)).to_contain_text("No face was found")
    expect(page.locator("#album-photos .show[aria-pressed=true]")).to_have_count(1)
    assert_accessible(page)
    assert visit.complaints == []


def test_two_photos_are_compared_metric_by_metric(visit: Visit, photos: list[FilePayload]) -> None:
    visit.choose(photos[:2])
    page = visit.page
    expect(page.locator("#album")).to_be_visible(timeout=SCORED)
    compare = page.locator(".compare-with:visible")
    compare.click()
    expect(page.locator(".metric .mark.other")).to_have_count(25, timeout=SCORED)
    expect(page.locator("#legend")).to_contain_text("the other photo")
    expect(page.locator(".metric .points").first).to_contain_text("·")
    assert_accessible(page)
    compare.click()
    expect(page.locator(".mark.other")).to_have_count(0)


def test_a_face_is_picked_where_several_are_found(visit: Visit, example_path: Path) -> None:
    with Image.open(example_path) as image:
        portrait = image.crop((120, 0, 360, 240)).convert("RGB")
    pair = Image.new("RGB", (760, 320), (128, 128, 128))
    # Two of the same size would be sorted by chance.
    pair.paste(portrait.resize((320, 320)), (40, 0))
    pair.paste(portrait.resize((280, 280)), (430, 20))
    answer = visit.score(payload("two.jpg", pair))
    assert answer["faces_found"] == 2
    page = visit.page
    expect(page.locator("#faces-words")).to_contain_text("2 faces were found")
    first = page.inner_text("#score")
    page.get_by_role("button", name="Face 2").click()
    expect(page.get_by_role("button", name="Face 2")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#faces-words")).to_contain_text("number 2 by size")
    assert page.inner_text("#score") == str(round(answer["faces"][1]["geometric"]["score"]))
    assert first == str(round(answer["faces"][0]["geometric"]["score"]))
    assert_accessible(page)


def test_on_a_phone_the_result_comes_into_view_and_a_touch_shows_the_measurement(
    browser: Browser, stack: Stack, example_path: Path
) -> None:
    viewport = {"width": 360, "height": 740}
    with browser.new_context(**PHONE | {"viewport": viewport}) as context:
        visit = Visit(context, stack.url)
        visit.score(example_path)
        page = visit.page
        top: float = page.locator("#frame").evaluate("frame => frame.getBoundingClientRect().top")
        assert 0 <= top < viewport["height"] / 2
        metric = page.locator(".metric").nth(3)
        metric.scroll_into_view_if_needed()
        metric.tap()
        expect(page.locator("#lines g.shown")).to_have_count(1)
        box: dict[str, float] = page.locator("#frame").evaluate("frame => frame.getBoundingClientRect().toJSON()")
        assert box["top"] >= 0, "the face is still in sight"
        assert box["bottom"] < viewport["height"]
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_an_album_needs_no_sideways_scrolling(
    browser: Browser, stack: Stack, photos: list[FilePayload], width: int
) -> None:
    wide: Any = {"width": width, "height": 800}
    with browser.new_context(viewport=wide, color_scheme="dark") as context:
        visit = Visit(context, stack.url)
        visit.choose(photos[:3])
        expect(visit.page.locator("#album")).to_be_visible(timeout=SCORED)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_can_be_switched_off_and_let_into_frames(stack: Stack) -> None:
    with gateway({"FACESTATS_TRITON_URLS": stack.grpc, "FACESTATS_PAGE": "off"}) as url:
        assert httpx.get(url).status_code == 404
        assert httpx.get(f"{url}/static/app.js").status_code == 404
        assert httpx.get(f"{url}/v1/geometry/reference").status_code == 200
    embedders = "https://shop.example, https://www.shop.example"
    with gateway({"FACESTATS_TRITON_URLS": stack.grpc, "FACESTATS_PAGE_EMBEDDERS": embedders}) as url:
        policy = httpx.get(url).headers["content-security-policy"]
        assert policy.endswith("frame-ancestors https://shop.example https://www.shop.example")
    assert httpx.get(stack.url).headers["content-security-policy"].endswith("frame-ancestors 'none'")
