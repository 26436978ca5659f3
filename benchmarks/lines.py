"""Accuracy on lines of text that are composed of EMNIST's characters.

    python -m benchmarks.lines FOLDER

FOLDER is in the official layout. Characters drawn at random stand side by side, a fifth of their height apart, black on
white, tilted by up to 2.5 degrees. Capitals, digits and letters such as b are as high as each other, letters such as a
65 % of it, and those such as g reach below the line. The characters of a kind are given, but of the last.

- digits: 4 to 8 digits
- touching: the same, side by side or overlapping by up to 4 of EMNIST's pixels
- capitals: words in capitals
- mixed: words with a capital, and numbers; also but for case

The accuracy is 100 less the edit distance in % of the characters.
"""

import argparse

import numpy as np
from PIL import Image

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_emnist
from emnist.reading.reader import DEFAULT, Reader
from emnist.utils.errors import UserError, run_cli

WORDS = """Anna Berlin Cato David Emil Falk Gipfel Hotel Igor Juni Kabel Lampe Maske Nebel Oktober Papier Quark Regen Salz
Tafel Ufer Vogel Wasser Xaver Yoga Zug Bridge Window Summer Garden Yellow People Street Quiz Jacket Fox Velvet""".split()
SMALL, BELOW = "acegmnopqrsuvwxyz", "gpqyj"
KINDS = {"digits": "0-9", "touching": "0-9", "capitals": "A-Z", "mixed": None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", help="folder of emnist-byclass-*.gz")
    parser.add_argument("--part", choices=["train", "test"], default="test", help="default: %(default)s")
    parser.add_argument("--count", type=int, default=200, help="lines of each kind (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    reader = Reader(options.model)
    images, labels = load_emnist(options.part, folder=options.folder)
    print("| lines | accuracy in % | but for case | lines without an error |\n| --- | --- | --- | --- |")
    for kind, characters in KINDS.items():
        rng = np.random.default_rng(options.seed)
        pairs = []
        for _ in range(options.count):
            picture, text, _ = draw_line(kind, images, labels, rng)
            pairs.append((text, read(reader, picture, characters)))
        length = sum(len(text) for text, _ in pairs)
        exact = 100 - 100 * sum(distance(*pair) for pair in pairs) / length
        folded = 100 - 100 * sum(distance(a.lower(), b.lower()) for a, b in pairs) / length
        whole = 100 * np.mean([a == b for a, b in pairs])
        print(f"| {kind} | {exact:.1f} | {folded:.1f} | {whole:.1f} |", flush=True)


def read(reader, picture, characters):
    try:
        return "\n".join(line.text for line in reader.read(picture, characters=characters))
    except UserError:
        return ""


def draw_line(kind, images, labels, rng, tilt=2.5):
    """Draw a line of a kind; return its grey levels, uint8 (height, width), its text, and left, top and ink of each character."""
    text = "".join(rng.choice(list("0123456789"), rng.integers(4, 9)))
    if kind == "capitals":
        text = rng.choice(WORDS).upper()
    elif kind == "mixed":
        text = f"{rng.choice(WORDS)} {text[:4]}" if rng.random() < 0.5 else f"{rng.choice(WORDS)} {rng.choice(WORDS)}"
    height = rng.uniform(24, 70)
    drawn = []
    sheet, right = np.zeros((int(3 * height), int(1.5 * height * len(text) + 3 * height))), height
    for character in text:
        if character == " ":
            right += 0.6 * height
            continue
        image = images[rng.choice(np.flatnonzero(labels == CHARACTERS.index(character)))]
        ink = image[np.ix_((image > 60).any(axis=1), (image > 60).any(axis=0))]
        tall = height * (0.65 if character in SMALL else 1) * (1.45 if character in BELOW and character in SMALL else 1)
        scale = tall / ink.shape[0] if ink.shape[0] > 0.5 * ink.shape[1] else height / 28
        size = max(1, round(scale * ink.shape[1])), max(1, round(scale * ink.shape[0]))
        large = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC)) / 255
        bottom = round(2 * height + (0.3 * height if character in BELOW else 0))
        left = round(right - (rng.uniform(0, 4) * height / 24 if kind == "touching" and right > height else 0))
        place = sheet[bottom - large.shape[0] : bottom, left : left + large.shape[1]]
        np.maximum(place, large, out=place)
        drawn.append((left, bottom - large.shape[0], large))
        right = left + large.shape[1] + (0 if kind == "touching" else 0.2 * height)
    levels = Image.fromarray((255 - 225 * sheet[:, : int(right + height)]).astype(np.uint8))
    return np.asarray(levels.rotate(rng.uniform(-tilt, tilt), Image.Resampling.BICUBIC, fillcolor=255)), text, drawn


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
