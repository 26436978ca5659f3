"""Accuracy on lines of text that are composed of EMNIST's characters.

    python -m benchmarks.lines FOLDER

Characters drawn at random stand side by side, a fifth of their height apart, black on
white, tilted by up to 2.5 degrees. Capitals, digits and letters such as b are as high as each other, letters such as a
65 % of it, and those such as g reach below the line. The characters of a kind are given, but of the last.

- digits: 4 to 8 digits
- touching: the same, side by side or overlapping by up to 4 of EMNIST's pixels
- capitals: words in capitals
- mixed: words with a capital, and numbers; also but for case

The accuracy is 100 less the edit distance in % of the characters.
"""

import numpy as np
from PIL import Image

from benchmarks import make_parser_of_pictures, print_header, print_row
from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_emnist
from emnist.reading.reader import Reader
from emnist.utils.errors import UserError, run_cli

WORDS = """Anna Berlin Cato David Emil Falk Gipfel Hotel Igor Juni Kabel Lampe Maske Nebel Oktober Papier Quark Regen Salz
Tafel Ufer Vogel Wasser Xaver Yoga Zug Bridge Window Summer Garden Yellow People Street Quiz Jacket Fox Velvet""".split()
SMALL, BELOW = "acegmnopqrsuvwxyz", "gpqyj"
KINDS = {"digits": "0-9", "touching": "0-9", "capitals": "A-Z", "mixed": None}


def main():
    parser = make_parser_of_pictures(__doc__, "FOLDER", what="lines of each kind", count=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    reader = Reader(options.model)
    images = group_by_class(*load_emnist(options.part, folder=options.folder))
    print_header("lines", "accuracy in %", "but for case", "lines without an error")
    for kind, characters in KINDS.items():
        rng = np.random.default_rng(options.seed)
        pairs = []
        for _ in range(options.count):
            text = choose_text(kind, rng)
            picture = draw_text(text, kind, images, rng)
            pairs.append((text, read(reader, picture, characters)))
        length = sum(len(text) for text, _ in pairs)
        exact = 100 - 100 * sum(distance(*pair) for pair in pairs) / length
        folded = 100 - 100 * sum(distance(a.lower(), b.lower()) for a, b in pairs) / length
        whole = 100 * np.mean([a == b for a, b in pairs])
        print_row(kind, f"{exact:.1f}", f"{folded:.1f}", f"{whole:.1f}")


def read(reader, picture, characters):
    try:
        return "\n".join(line.text for line in reader.read(picture, characters=characters))
    except UserError:
        return ""


def group_by_class(images, labels):
    """Return a dict: the images of each character, uint8 (N, 28, 28)."""
    return {character: images[labels == number] for number, character in enumerate(CHARACTERS)}


def choose_text(kind, rng):
    """Choose what a line of a kind says."""
    number = "".join(rng.choice(list("0123456789"), rng.integers(4, 9)))
    if kind == "capitals":
        return rng.choice(WORDS).upper()
    if kind == "mixed":
        return f"{rng.choice(WORDS)} {number[:4] if rng.random() < 0.5 else rng.choice(WORDS)}"
    return number


def draw_text(text, kind, images, rng):
    """Draw a line of a kind; return its grey levels, uint8 (height, width)."""
    height = rng.uniform(24, 70)
    gaps = -rng.uniform(0, 4, len(text)) / 24 if kind == "touching" else np.full(len(text), 0.2)
    sheet, _ = draw_line(text, images, rng, height, gaps)
    return np.asarray(tilt(255 - 225 * sheet, rng.uniform(-2.5, 2.5), 255))


def draw_line(text, images, rng, height, gaps, jitter=0, spread=0):
    """Draw characters, chosen at random from the images of each, side by side.

    Parameters
    ----------
    text : str
    images : dict of str to numpy.ndarray
        As from `group_by_class`.
    rng : numpy.random.Generator
    height : float
        Of a capital, in pixels.
    gaps : sequence of float
        Before each character, in heights; that of the first does not count.
    jitter, spread : float
        Standard deviations: of the base line, in heights, and of the logarithm of the characters' sizes.

    Returns
    -------
    ink : numpy.ndarray of float, shape (rows, columns)
        0 to 1.
    owner : numpy.ndarray of uint8, shape (rows, columns)
        The number of the character, from 1, whose ink it is; 0 where there is none.
    """
    sheet = np.zeros((int(3.6 * height), int(1.8 * height * len(text) + 3 * height)))
    owner, left, right = np.zeros(sheet.shape, np.uint8), 0, height
    for number, (character, gap) in enumerate(zip(text, gaps), 1):
        if character == " ":
            right += 0.6 * height
            continue
        image = rng.choice(images[character])
        ink = image[np.ix_((image > 60).any(axis=1), (image > 60).any(axis=0))]
        tall = height * (0.65 if character in SMALL else 1) * (1.45 if character in BELOW and character in SMALL else 1)
        tall *= np.exp(rng.normal(0, spread))
        scale = tall / ink.shape[0] if ink.shape[0] > 0.5 * ink.shape[1] else height / 28
        size = max(1, round(scale * ink.shape[1])), max(1, round(scale * ink.shape[0]))
        large = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC)) / 255
        low = 0.3 * (character in BELOW) + rng.normal(0, jitter)
        bottom = max(round((2.3 + low) * height), size[1])
        if right > height:
            right = max(right + gap * height, left + 0.3 * size[0])  # not within the one before
        left = round(right)
        part = slice(bottom - size[1], bottom), slice(left, left + size[0])
        owner[part][large > np.maximum(sheet[part], 0.3)] = number
        np.maximum(sheet[part], large, out=sheet[part])
        right = left + size[0]
    columns = int(right + height)
    return sheet[:, :columns], owner[:, :columns]


def tilt(levels, degrees, fill, resample=Image.Resampling.BICUBIC):
    """Turn grey levels (rows, columns) about their middle; return a picture of Pillow."""
    return Image.fromarray(levels.astype(np.uint8)).rotate(degrees, resample, fillcolor=fill)


def distance(first, second):
    """Count the characters to insert, delete or replace (Levenshtein)."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


if __name__ == "__main__":
    run_cli(main)
