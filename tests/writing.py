"""Pictures of text, written by a handwriting typeface."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from emnist.data.fonts import font_path

PAPER, INK = 235, 30


def write(lines, size=56, pitch=110, margin=60, font="Delius-Regular.ttf"):
    """Write lines of text: grey levels of Pillow."""
    typeface = ImageFont.truetype(font_path(font), size)
    width = max(int(typeface.getlength(line)) for line in lines)
    image = Image.new("L", (width + 2 * margin, pitch * len(lines) + 2 * margin), PAPER)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((margin, margin + pitch * number), line, fill=INK, font=typeface)
    return image


def form(texts, comb=(), width=260, height=90, line=3):
    """Draw a form: a box around each text, two a row, below it a comb with a box for each character of another.

    Returns
    -------
    image : PIL.Image.Image
    fields : list of tuple of int
        Left, top, width and height of each text's box.
    """
    image = Image.new("L", (2 * width + 180, (len(texts) + 1) // 2 * (height + 50) + height + 160), PAPER)
    draw, fields = ImageDraw.Draw(image), []
    for number, text in enumerate(texts):
        left, top = 60 + number % 2 * (width + 60), 60 + number // 2 * (height + 50)
        if text:
            written = write([text], margin=0, pitch=80)
            image.paste(written, (left + 20, top + 12))
        draw.rectangle((left, top, left + width, top + height), outline=40, width=line)
        fields.append((left, top, width, height))
    top = image.height - height - 60
    for number, character in enumerate(comb):
        left = 60 + number * 70
        image.paste(write([character], margin=0, pitch=80), (left + 15, top + 12))
        draw.rectangle((left, top, left + 70, top + height), outline=40, width=line)
    return image, fields


def as_table(fields, characters="0-9"):
    """Describe fields as a table in CSV."""
    rows = [f"field{n},{','.join(map(str, field))},{characters}" for n, field in enumerate(fields, 1)]
    return "\n".join(["field,left,top,width,height,characters", *rows])


def dusty(side, count, size, rng):
    """A blank page with specks of dust: uint8 (side, side)."""
    page = np.full((side, side), PAPER, np.uint8)
    for left, top in rng.integers(0, side - size, (count, 2)):
        page[top : top + size, left : left + size] = INK
    return page
