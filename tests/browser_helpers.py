"""A real Chromium that draws on the page of `emnist serve`."""

import shutil
import time
from contextlib import contextmanager

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"


@contextmanager
def browser():
    """Start Chromium without a window; yields Playwright's browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=BROWSER, args=QUIET.split())


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
