"""Take docs/serve.png, the screenshot of `emnist serve` that the README shows: ``python tools/screenshot.py``."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT / "tests"))

from browser_helpers import browser, draw, wait_for_reading  # noqa: E402
from server_helpers import serving  # noqa: E402

OUT = PROJECT / "docs/serve.png"
# A small k as a hand draws it: shares of the pad, between which the pen moves on a curve.
STROKES = [
    [(0.33, 0.14), (0.345, 0.35), (0.34, 0.6), (0.32, 0.84)],
    [(0.64, 0.38), (0.55, 0.46), (0.46, 0.54), (0.35, 0.6), (0.45, 0.62), (0.54, 0.7), (0.62, 0.79), (0.74, 0.83)],
]


def curve(points):
    """Interpolate points by a Catmull-Rom spline."""
    for a, b, c, d in zip([points[0], *points], points, points[1:], [*points[2:], points[-1]]):
        a, b, c, d = map(np.array, (a, b, c, d))
        for t in np.linspace(0, 1, 6):
            yield (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3) / 2


with serving() as (url, _), browser() as chromium:
    page = chromium.new_page(viewport={"width": 1080, "height": 690}, color_scheme="light", reduced_motion="reduce")
    page.goto(url)
    page.wait_for_selector("tbody tr")
    for number, stroke in enumerate(STROKES, 1):
        draw(page, [[*curve(stroke)]])
        wait_for_reading(page, number)
    page.mouse.move(0, 0)
    page.locator("details").evaluate("details => details.remove()")
    page.screenshot(path=OUT)
Image.open(OUT).convert("RGB").quantize(64).save(OUT, optimize=True)
