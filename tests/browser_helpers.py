"""A real Chromium that draws on the page of `emnist serve`."""

import math
import shutil
import time
from contextlib import contextmanager

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"
ROUND = [[(0.5 + 0.3 * math.sin(turn / 2), 0.5 - 0.35 * math.cos(turn / 2)) for turn in range(14)]]  # strokes of an O


@contextmanager
def browser():
    """Start Chromium without a window; yields Playwright's browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=BROWSER, args=QUIET.split())


@contextmanager
def watched_page(chromium, url, is_fault, setup=lambda page: None, **options):
    """Open a page on a phone; at the end it has asked no other host, and made no fault.

    `is_fault` tells of a message of the browser's console whether it is one; `setup` is called before the page is opened.
    """
    context = chromium.new_context(viewport={"width": 360, "height": 740}, has_touch=True, **options)
    page, asked, faults = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    setup(page)
    page.goto(url)
    yield page
    assert [address for address in asked if not address.startswith((url, "data:"))] == [] and faults == []
    context.close()


def draw(page, strokes):
    """Draw strokes with the mouse, each a list of points as shares of the pad."""
    box = page.locator("#pad").bounding_box()
    for points in strokes:
        first, *others = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
        page.mouse.move(*first)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(x, y, steps=8)
        page.mouse.up()


def wait_for_reading(page, number):
    """Wait until the page has shown that many readings."""
    wait_until(page, f"performance.getEntriesByName('reading').length >= {number}")


def wait_until(page, condition):
    """Wait until a JavaScript expression is true; Playwright's own way is against the page's policy."""
    end = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < end, (
            f"{condition} should have become true, but the page says {page.inner_text('main')}"
        )
        time.sleep(0.01)
