"""Draw docs/form.png, a form filled in with characters of EMNIST's test images, and docs/form.csv, its fields.

python -m tools.form FOLDER
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks import make_parser
from benchmarks.lines import draw_line, group_by_class
from emnist.data.datasets import load_emnist
from emnist.utils.errors import run_cli

DOCS = Path(__file__).parents[1] / "docs"
FIELDS = {  # left, top, width and height in pixels, characters, what is written
    "name": ((20, 36, 420, 60), "A-Z ", "ANNA VOGEL"),
    "born": ((470, 36, 270, 60), "0-9", "19780412"),
    "street": ((20, 136, 420, 60), "A-Za-z ", "Garden Street"),
    "number": ((470, 136, 110, 60), "0-9", "47"),
    "pieces": ((610, 136, 130, 60), "0-9", "360"),
}


def main():
    images = group_by_class(*load_emnist("test", folder=make_parser(__doc__, "FOLDER").parse_args().folder))
    rng = np.random.default_rng(1)
    form = Image.new("L", (760, 216), 250)
    pen, font = ImageDraw.Draw(form), ImageFont.load_default(18)
    rows = ["field,left,top,width,height,characters"]
    for name, ((left, top, width, height), characters, text) in FIELDS.items():
        pen.text((left, top - 24), name, 120, font)
        pen.rectangle((left, top, left + width, top + height), outline=120, width=2)
        ink, _ = draw_line(text, images, rng, 0.5 * height, np.full(len(text), 0.25), 0.03, 0.06)
        rows_of_ink, columns = (np.flatnonzero((ink > 0.2).any(axis=axis)) for axis in (1, 0))
        ink = ink[rows_of_ink[0] : rows_of_ink[-1] + 1, columns[0] : columns[-1] + 1]
        at = left + 14, top + (height - ink.shape[0]) // 2
        form.paste(40, at, Image.fromarray((255 * ink).astype(np.uint8)))
        rows.append(f"{name},{left},{top},{width},{height},{characters}")
    form.save(DOCS / "form.png", optimize=True)
    (DOCS / "form.csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    run_cli(main)
