"""Accuracy on test images that are drawn as photographs, beside the accuracy on the same images drawn cleanly.

    python -m benchmarks.photos FOLDER

Each image is drawn with a sharp pen on paper and put under each condition at three strengths: a photograph of a sheet on
a desk, of a shadow's edge, of ruled paper and so on. The pictures are predicted as `emnist predict` does, among 62
characters. Blank pages of each kind should be refused.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks import add_names, make_parser_of_pictures, print_header, print_row
from benchmarks.pictures import read_or_black
from emnist.data.datasets import load_emnist
from emnist.reading.network import load_network
from emnist.reading.pictures import read_character
from emnist.utils.errors import UserError, run_cli

SIDE = 600  # pixels of most pictures
HEIGHT = 240  # of a character in them
PAPER, INK = 228, 40  # grey levels
STRENGTHS = ("weaker", "as in the cases", "stronger")


def main():
    parser = make_parser_of_pictures(__doc__, "FOLDER", what="images, evenly of all classes", count=310)
    add_names(parser, "--conditions", CONDITIONS)
    options = parser.parse_args()
    network = load_network(options.model)
    images, labels = load_emnist(options.part, folder=options.folder)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    rank = np.zeros(len(labels), int)  # of an image among those of its class
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        rank[mine] = np.arange(len(mine))
    chosen = np.argsort(rank, kind="stable")[: options.count]
    inks, labels = [pen(images[i]) for i in chosen], labels[chosen]

    def accuracy(draw):
        read = np.stack([read_or_black(draw(ink)) for ink in inks])
        return 100 * np.mean(network.probabilities(read).argmax(axis=1) == labels)

    clean = accuracy(paint)
    print(f"{clean:.1f} % without a condition; points of accuracy lost:\n")
    print_header("condition", *STRENGTHS, "blank pages answered")
    for name in options.conditions:
        condition, strengths = CONDITIONS[name]
        lost = [clean - accuracy(lambda ink: condition(ink, strength, rng)) for strength in strengths]
        blank = sum(answered(condition(np.zeros((9, 9)), strength, rng)) for strength in strengths)
        print_row(name, *(f"{each:.1f}" for each in lost), f"{blank} of 3")


def answered(picture):
    try:
        read_character(picture)
    except UserError:
        return False
    return True


def pen(image):
    """Draw an image larger and with sharp edges: float, 0 to 1, `HEIGHT` pixels high or wide."""
    rows, columns = (np.flatnonzero((image > 60).any(axis=axis)) for axis in (1, 0))
    cut = Image.fromarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = HEIGHT / max(cut.size)
    large = cut.resize([max(4, round(scale * side)) for side in cut.size], Image.Resampling.BICUBIC)
    return np.clip((np.asarray(large, float) - 127) / 30 + 0.5, 0, 1)


def place(ink, shape=(SIDE, SIDE)):
    """Put ink in the middle of an empty sheet."""
    sheet = np.zeros(shape)
    top, left = (shape[0] - ink.shape[0]) // 2, (shape[1] - ink.shape[1]) // 2
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return sheet


def paint(ink, paper=PAPER, level=INK, shape=(SIDE, SIDE)):
    """Ink on paper, as floats."""
    return paper + (level - paper) * place(ink, shape)


def camera(levels, rng, blur=1.0, noise=4):
    image = Image.fromarray(levels.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
    return (np.asarray(image, float) + rng.normal(0, noise, levels.shape)).clip(0, 255).astype(np.uint8)


def outlines(draw_lines, sheet):
    """Draw with Pillow over grey levels."""
    image = Image.fromarray(sheet.clip(0, 255).astype(np.uint8))
    draw_lines(ImageDraw.Draw(image))
    return np.asarray(image, float)


def desk(ink, level, rng):
    sheet = np.full((SIDE, 800), float(level))
    sheet[60:560, 120:700] = 230
    mask = np.roll(place(ink, sheet.shape), (10, 10), (0, 1))
    return camera(sheet + (INK - sheet) * mask, rng)


def dark_edge(ink, width, rng):
    sheet = paint(ink)
    sheet[:, :width] = 45
    return camera(sheet, rng)


def speck(ink, level, rng):
    sheet = paint(ink, 235, level)
    sheet[20, 20] = 0
    return sheet.astype(np.uint8)


def shadow(ink, factor, rng):
    sheet = paint(ink)
    y, x = np.mgrid[:SIDE, :SIDE]
    sheet[x + 0.4 * y > 420] *= factor
    return camera(sheet, rng, 2)


def vignette(ink, strength, rng):
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return camera(paint(ink) * (1 - strength * np.hypot(x, y) / (SIDE * 0.707)), rng)


def ruled(ink, level, rng, squares=False, pencil=INK):
    sheet = np.full((SIDE, SIDE), 238.0)
    for at in range(40, SIDE, 60):
        sheet[at - 1 : at + 2] = level
        if squares:
            sheet[:, at - 1 : at + 2] = level
    mask = place(ink)
    return camera(sheet + (pencil - sheet) * mask, rng, 0.8)


def lighter(ink, level, rng):
    """The right part of the character is drawn lighter."""
    mask = place(ink)
    columns = np.flatnonzero(mask.any(axis=0))
    middle = columns.mean() if len(columns) else 0
    levels = np.where(np.arange(SIDE) > middle, level, INK)
    return (PAPER + (levels - PAPER) * mask).astype(np.uint8)


def punch_hole(ink, size, rng):
    sheet = outlines(lambda d: d.ellipse((20, 270, 20 + size, 270 + size), fill=50), paint(ink))
    return camera(sheet, rng)


def framed(ink, width, rng, shape="rectangle"):
    box = (90, 80, 510, 520)
    return camera(outlines(lambda d: getattr(d, shape)(box, outline=60, width=width), paint(ink)), rng)


def coloured(ink, colours, rng):
    paper, pen = (np.array(colour, float) for colour in colours)
    return (paper + (pen - paper) * place(ink, (300, 300))[..., None]).astype(np.uint8)


CONDITIONS = {  # drawn by, with three strengths
    "desk": (desk, (100, 60, 25)),
    "dark edge": (dark_edge, (20, 45, 90)),
    "pencil and speck": (speck, (150, 165, 190)),
    "shadow": (shadow, (0.65, 0.6, 0.55)),
    "hard shadow": (shadow, (0.55, 0.5, 0.4)),
    "vignetting": (vignette, (0.5, 0.7, 0.85)),
    "ruled": (ruled, (195, 170, 140)),
    "squared": (lambda ink, level, rng: ruled(ink, level, rng, True), (200, 175, 145)),
    "pencil on ruled": (lambda ink, level, rng: ruled(ink, level, rng, False, 130), (215, 205, 190)),
    "lighter part": (lighter, (120, 150, 170)),
    "punch hole": (punch_hole, (35, 50, 70)),
    "frame": (framed, (3, 6, 12)),
    "ring": (lambda ink, width, rng: framed(ink, width, rng, "ellipse"), (3, 6, 12)),
    "coloured": (
        coloured,
        (((255, 255, 255), (255, 235, 130)), ((0, 130, 0), (255, 0, 0)), ((120, 120, 200), (160, 110, 90))),
    ),
}

if __name__ == "__main__":
    run_cli(main)
