"""The web page in a real browser, against the real service."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, Route, expect

from tests.stack import Stack, free_port

pytestmark = pytest.mark.integration

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SCORED = 30_000
"""Time a score may take on a busy machine, milliseconds."""


class Visit:
    """A page, and what it asked for and complained about."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda message: self.complaints.append(message.text) if message.type == "error" else None
        )
        self.page.goto(url)

    def choose(self, file: Path | FilePayload | list[FilePayload]) -> None:
        self.page.set_input_files("#file", file)

    def score(self, file: Path | FilePayload) -> dict[str, Any]:
        """Chooses a photo, waits for its score and returns the answer that the page offers to save."""
        self.choose(file)
        expect(self.page.locator("#result")).to_be_visible(timeout=SCORED)
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The answer behind what is shown."""
        with self.page.expect_download() as download:
            self.page.eval_on_selector("#download", "link => link.click()")
        return dict(json.loads(download.value.path().read_text("utf-8")))


@pytest.fixture
def visit(browser: Browser, stack: Stack) -> Iterator[Visit]:
    context = browser.new_context()
    yield Visit(context, stack.url)
    context.close()


@contextmanager
def gateway(settings: dict[str, str]) -> Iterator[str]:
    """A further gateway process, ready to answer; yields its address."""
    port = free_port()
    environment = os.environ | {"FACESTATS_PORT": str(port)} | settings
    process = subprocess.Popen([sys.executable, "-m", "facestats_cli", "gateway"], env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=60) as client:
            client.get(f"{url}/healthz").raise_for_status()
        yield url
    finally:
        process.terminate()
        process.wait(30)


def noise() -> FilePayload:
    """A photo of nothing."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)).save(buffer, "PNG")
    return {"name": "noise.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


def assert_accessible(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_photo_shows_score_halves_and_lines(visit: Visit, example_path: Path) -> None:
    answer = visit.score(example_path)
    (face,) = answer["faces"]
    page = visit.page
    # Untrained weights are not a score: the geometric half leads, and the blend stands small beside it.
    assert answer["model"]["weights"] == "untrained"
    assert page.inner_text("#score-title") == "Geometric score"
    assert page.inner_text("#score") == str(round(face["geometric"]["score"]))
    interval = face["geometric"]["interval"]
    expect(page.locator("#range")).to_contain_text(f"{round(interval['low'])} to {round(interval['high'])}")
    expect(page.locator("#score-words")).to_contain_text("Only as a demonstration")
    expect(page.locator("#score-words")).to_contain_text(str(round(face["score"])))
    assert [element.inner_text() for element in page.locator("#halves .half dd:not([class])").all()] == [
        str(round(face["geometric"]["score"])),
        str(round(face["holistic"]["score"])),
    ]
    assert page.locator("#lines g[data-metric]").count() == 25
    assert page.locator("#lines line").count() > 40
    # The face itself is drawn, not an empty canvas.
    spread = page.evaluate(
        "() => { const c = document.getElementById('face');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return Math.max(...d.filter((_, i) => i % 4 == 0)) - Math.min(...d.filter((_, i) => i % 4 == 0)); }"
    )
    assert spread > 150
    assert visit.complaints == []


def test_lines_lie_on_the_face(visit: Visit, example_path: Path) -> None:
    answer = visit.score(example_path)
    left, top, right, bottom = answer["faces"][0]["box"]
    with Image.open(example_path) as image:
        width, height = image.size
    ends = visit.page.eval_on_selector_all(
        "#lines line", "lines => lines.map(l => ['x1', 'y1', 'x2', 'y2'].map(n => +l.getAttribute(n)))"
    )
    points = np.array(ends).reshape(-1, 2) / [width, height]
    margin = 0.02
    assert (points >= [left - margin, top - margin]).all()
    assert (points <= [right + margin, bottom + margin]).all()


def test_every_group_and_metric_has_a_plot_with_words(visit: Visit, example_path: Path) -> None:
    visit.score(example_path)
    page = visit.page
    page.click("#open-all")
    assert page.locator(".group").count() == 5
    assert page.locator(".metric svg[role=img]:visible").count() == 25
    words = page.locator(".metric svg").first.get_attribute("aria-label") or ""
    assert words.startswith("Canthal tilt")
    assert "half of the reference faces lie between" in words
    # The same in sight.
    place = re.compile(r"(Larger|Smaller) than in .* the faces\.$")
    assert page.locator(".metric .meaning", has_text=place).count() == 25
    page.locator(".metric-name", has_text="Jaw width").focus()
    expect(page.locator("#lines g.shown")).to_have_attribute("data-metric", "bigonial")


def test_photo_that_supports_no_score_says_so_and_what_would_help(visit: Visit, example_path: Path) -> None:
    buffer = io.BytesIO()
    with Image.open(example_path) as image:
        image.resize((200, 200)).save(buffer, "PNG")
    answer = visit.score({"name": "small.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    quality = answer["faces"][0]["quality"]
    assert quality["level"] == "poor"
    expect(visit.page.locator("#score")).to_have_text("No score")
    expect(visit.page.locator("#range")).to_be_hidden()
    expect(visit.page.locator("#score-words")).to_contain_text("does not support a score")
    assert visit.page.locator("#warning-list li").all_inner_texts() == quality["warnings"]
    expect(visit.page.locator(".verdict")).to_have_class("verdict unsupported")


def test_raw_json_is_the_answer(visit: Visit, example_path: Path) -> None:
    answer = visit.score(example_path)
    visit.page.click("text=Raw JSON")
    shown = json.loads(visit.page.inner_text("#json"))
    assert shown["faces"][0]["geometric"] == answer["faces"][0]["geometric"]
    assert shown["model"] == answer["model"]
    assert len(visit.page.inner_text("#json")) < 20_000, "pictures and landmarks are shortened"


def test_banner_tells_visitors_what_untrained_weights_mean_for_them(visit: Visit, stack: Stack) -> None:
    model = httpx.get(f"{stack.url}/v1/model").json()
    assert model["weights"] == "untrained"
    banner = visit.page.locator("#banner")
    expect(visit.page.locator("#model-words")).to_contain_text("untrained")
    expect(banner).to_contain_text("means nothing")
    # Exporting is the operator's business.
    expect(banner).not_to_contain_text("export")
    expect(visit.page.locator("#away")).to_be_hidden()


def test_comparison_with_women_scores_again(visit: Visit, example_path: Path) -> None:
    before = visit.score(example_path)
    visit.page.get_by_label("Women").check()
    expect(visit.page.locator("#halves")).to_contain_text("1,036 women", timeout=SCORED)
    after = visit.answer()["faces"][0]["geometric"]
    assert after["sex"] == "female"
    assert abs(after["score"] - before["faces"][0]["geometric"]["score"]) > 0.5


def test_picture_without_a_face_gets_a_friendly_message(visit: Visit) -> None:
    visit.choose(noise())
    problem = visit.page.locator("#problem")
    expect(problem).to_contain_text("No face in this picture", timeout=SCORED)
    expect(problem).to_contain_text("looking towards the camera")
    expect(visit.page.locator("#result")).to_be_hidden()
    expect(problem).to_be_focused()
    assert_accessible(visit.page)


def test_file_that_is_no_picture_gets_a_friendly_message(visit: Visit) -> None:
    visit.choose({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Dear diary"})
    expect(visit.page.locator("#problem-title")).to_have_text("This file is not a picture", timeout=SCORED)


def test_triton_away_gets_a_friendly_message(browser: Browser, example_path: Path) -> None:
    nobody_listens_here = f"127.0.0.1:{free_port()}"
    with gateway({"FACESTATS_TRITON_URLS": nobody_listens_here}) as url, browser.new_context() as context:
        visit = Visit(context, url)
        # Known before anything is uploaded.
        expect(visit.page.locator("#away")).to_contain_text("The scoring model is not running right now")
        visit.choose(example_path)
        problem = visit.page.locator("#problem")
        expect(problem).to_contain_text("The scoring model is not running right now", timeout=SCORED)
        expect(problem).to_contain_text("Your photo is fine")
        expect(visit.page.locator("#retry")).to_be_visible()
        expect(visit.page.locator("#problem-photo")).to_be_visible()
        expect(visit.page.locator("#model-words")).to_have_text("The model server has not said what it serves.")
        assert_accessible(visit.page)


def test_geometry_alone_is_shown_as_no_score(browser: Browser, example_path: Path) -> None:
    settings = {"FACESTATS_TRITON_URLS": f"127.0.0.1:{free_port()}", "FACESTATS_DEGRADE": "geometric"}
    with gateway(settings) as url, browser.new_context() as context:
        visit = Visit(context, url)
        answer = visit.score(example_path)
        assert answer["degraded"]
        expect(visit.page.locator("#score")).to_have_text("No score")
        expect(visit.page.locator("#of")).to_be_hidden()
        expect(visit.page.locator("#banner")).to_contain_text("only the geometric half is measured")


def test_service_with_keys_asks_for_one(browser: Browser, stack: Stack, example_path: Path) -> None:
    key = "a key of the test"
    settings = {
        "FACESTATS_TRITON_URLS": stack.grpc,
        "FACESTATS_API_KEYS": f"page:{hashlib.sha256(key.encode()).hexdigest()}",
    }
    with gateway(settings) as url, browser.new_context() as context:
        visit = Visit(context, url)
        visit.choose(example_path)
        expect(visit.page.locator("#problem")).to_contain_text("asks for an API key", timeout=SCORED)
        assert_accessible(visit.page)
        visit.page.get_by_label("API key").fill(key)
        visit.page.click("text=Use this key")
        expect(visit.page.locator("#result")).to_be_visible(timeout=SCORED)


def test_service_away_gets_a_friendly_message(visit: Visit, example_path: Path) -> None:
    visit.page.context.set_offline(True)
    visit.choose(example_path)
    expect(visit.page.locator("#problem-title")).to_have_text("The service cannot be reached", timeout=SCORED)
    visit.page.context.set_offline(False)
    visit.page.click("#retry")
    expect(visit.page.locator("#result")).to_be_visible(timeout=SCORED)


def test_photo_from_the_camera_is_scored(visit: Visit) -> None:
    page = visit.page
    page.click("#camera")
    expect(page.locator("#shoot")).to_be_enabled(timeout=SCORED)
    expect(page.locator("#shoot")).to_be_focused()
    assert_accessible(page)
    page.click("#shoot")
    expect(page.locator("#result")).to_be_visible(timeout=SCORED)
    assert 0 <= int(page.inner_text("#score")) <= 100
    expect(page.locator("#camera-dialog")).to_be_hidden()


@pytest.mark.parametrize(
    ("error", "words"),
    [("NotAllowedError", "The camera is blocked for this page"), ("NotFoundError", "No camera was found")],
)
def test_camera_that_cannot_be_had_is_explained(visit: Visit, error: str, words: str) -> None:
    page = visit.page
    # The browser of the tests grants every camera; only its refusal is made up.
    page.evaluate(
        "name => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name)); }", error
    )
    page.click("#camera")
    expect(page.locator("#camera-words")).to_contain_text(words)
    expect(page.locator("#shoot")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.locator("#camera-dialog")).to_be_hidden()
    expect(page.locator("#camera")).to_be_focused()


def test_progress_is_shown_and_can_be_cancelled(visit: Visit, example_path: Path) -> None:
    page = visit.page
    held: list[Route] = []
    # The answer is kept back, so that there is time to look.
    page.route("**/v1/score?*", lambda route: held.append(route))
    visit.choose(example_path)
    expect(page.locator("#working")).to_be_visible()
    expect(page.locator("#working-words")).to_have_text("Uploading")
    expect(page.locator("#status")).to_have_text("Uploading the photo")
    assert page.eval_on_selector("#preview", "image => image.decode().then(() => image.naturalWidth)") == 512
    assert_accessible(page)
    page.click("#cancel")
    expect(page.locator("#working")).to_be_hidden()
    expect(page.locator("#status")).to_have_text("Cancelled")
    expect(page.locator("#choose")).to_be_focused()
    page.unroute("**/v1/score?*")
    visit.score(example_path)
    expect(page.locator("#result")).to_be_visible()


def test_dropped_photo_is_scored(visit: Visit, example_path: Path) -> None:
    data = list(example_path.read_bytes())
    transfer = visit.page.evaluate_handle(
        "data => { const t = new DataTransfer();"
        " t.items.add(new File([new Uint8Array(data)], 'face.jpg', {type: 'image/jpeg'})); return t; }",
        data,
    )
    visit.page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    expect(visit.page.locator("#result")).to_be_visible(timeout=SCORED)


def test_format_the_browser_cannot_show_is_shown_by_the_service(visit: Visit, example_path: Path) -> None:
    buffer = io.BytesIO()
    with Image.open(example_path) as image:
        image.save(buffer, "TIFF")
    visit.score({"name": "face.tiff", "mimeType": "image/tiff", "buffer": buffer.getvalue()})
    expect(visit.page.locator("#sheet")).to_be_visible()
    expect(visit.page.locator("#frame")).to_be_hidden()
    assert visit.page.eval_on_selector("#sheet", "image => image.naturalWidth") > 500


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility_check_passes(browser: Browser, stack: Stack, example_path: Path, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme)
    visit = Visit(context, stack.url)
    expect(visit.page.locator("#model-words")).not_to_be_empty()
    assert_accessible(visit.page)
    visit.score(example_path)
    visit.page.click("#open-all")
    visit.page.click("text=Raw JSON")
    assert_accessible(visit.page)
    context.close()


def test_keyboard_alone_reaches_and_opens_the_file_chooser(visit: Visit, example_path: Path) -> None:
    page = visit.page
    # From the start: Chromium takes a moment to hand its file choosers to the test.
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "choose":
                break
        page.keyboard.press("Enter")
    chooser.value.set_files(example_path)
    expect(page.locator("#score-title")).to_be_focused(timeout=SCORED)
    expect(page.locator("#status")).to_contain_text("of 100")


@pytest.mark.parametrize("width", [390, 320])
def test_phone_needs_no_sideways_scrolling(browser: Browser, stack: Stack, example_path: Path, width: int) -> None:
    context = browser.new_context(**PHONE | {"viewport": {"width": width, "height": 700}})
    visit = Visit(context, stack.url)
    visit.score(example_path)
    visit.page.click("#open-all")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_page_asks_nobody_but_its_own_service(visit: Visit, stack: Stack, example_path: Path) -> None:
    visit.score(example_path)
    assert len(visit.requested) > 8
    assert [url for url in visit.requested if not url.startswith((stack.url, "data:", "blob:"))] == []
    policy = httpx.get(stack.url).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
