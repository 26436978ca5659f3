"""Pictures of one character, as a person may have them."""

import struct
import zlib

import numpy as np
from PIL import Image, ImageDraw


def glyph(width=300, height=400, stroke=28):
    """A "4", white on black, right of the middle."""
    image = Image.new("L", (4 * width, 4 * height))
    x, y = np.array([0.62, 0.4, 0.85, 0.75, 0.75]), np.array([0.15, 0.6, 0.6, 0.25, 0.88])
    points = list(zip(4 * width * x, 4 * height * y))
    draw = ImageDraw.Draw(image)
    draw.line(points[:3], fill=255, width=4 * stroke, joint="curve")
    draw.line(points[3:], fill=255, width=4 * stroke)
    return image.resize((width, height))  # four times as large, then reduced: soft edges


def on_paper(image, paper=235, ink=30):
    return Image.fromarray((paper + (ink - paper) * (np.asarray(image) / 255)).astype(np.uint8))


def claim(png, width, height):
    """Have the bytes of a PNG say that it is so large."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def on_a_wooden_table(levels):
    """Put a sheet, grey levels, on a table whose grain is longer than what is written, and paler."""
    table = np.pad(levels, 90, constant_values=0)
    grain = np.random.default_rng(0).normal(140, 30, len(table) // 3 + 1)
    return np.where(np.pad(np.ones(levels.shape), 90) > 0, table, np.repeat(grain, 3)[: len(table), None])
