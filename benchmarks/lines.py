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

With --fit, prints `emnist.reading.text.WEIGHTS` as lines of training characters teach them: those under which the right
paths through the pieces of the lines are likeliest, as in a conditional random field.
"""

import numpy as np
from PIL import Image
from scipy.optimize import minimize

from benchmarks import make_parser_of_pictures, print_header, print_row
from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_emnist
from emnist.reading import text as reading
from emnist.reading.alphabet import Alphabet
from emnist.reading.reader import Reader
from emnist.utils.errors import UserError, run_cli

WORDS = """Anna Berlin Cato David Emil Falk Gipfel Hotel Igor Juni Kabel Lampe Maske Nebel Oktober Papier Quark Regen Salz
Tafel Ufer Vogel Wasser Xaver Yoga Zug Bridge Window Summer Garden Yellow People Street Quiz Jacket Fox Velvet""".split()
SMALL, BELOW = "acegmnopqrsuvwxyz", "gpqyj"
KINDS = {"digits": "0-9", "touching": "0-9", "capitals": "A-Z", "mixed": None}


def main():
    parser = make_parser_of_pictures(__doc__, "lines of each kind", 200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fit", action="store_true", help="learn the weights instead, from training characters")
    options = parser.parse_args()
    reader = Reader(options.model)
    images, labels = load_emnist("train" if options.fit else options.part, folder=options.folder)
    if options.fit:
        return print(fit(reader, images, labels, options.count, np.random.default_rng(options.seed)).round(2).tolist())
    print_header("lines", "accuracy in %", "but for case", "lines without an error")
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
        print_row(kind, f"{exact:.1f}", f"{folded:.1f}", f"{whole:.1f}")


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


def fit(reader, images, labels, count, rng):
    samples = []
    for kind in KINDS:
        for _ in range(count):
            levels, _, drawn = draw_line(kind, images, labels, rng, tilt=0)
            scale = reading.HEIGHT / max(each.shape[0] for *_, each in drawn)
            size = [round(scale * side) for side in levels.shape[::-1]]
            ink = reading.find_ink(np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC)))
            lines, slope = reading.find_lines(ink.regions)
            if len(lines) == 1:
                alphabet = Alphabet(reader.network.classes, KINDS[kind])
                sample = reading.rate_line(ink, lines[0], slope, reader.network, alphabet)
                overlaps = [overlap(ink, sample.pieces[a:b], drawn, scale) for a, b in sample.spans]
                right = reading.best_path(len(sample.pieces), sample.spans, np.array(overlaps) - 0.6)
                if min(overlaps[each] for each in right) > 0.6:
                    samples.append((len(sample.pieces), sample.spans, sample.features, right))
    scale = np.concatenate([features for _, _, features, _ in samples]).std(axis=0)
    scale[scale == 0] = 1
    start = np.zeros(len(scale))
    return minimize(loss, start, (samples, scale), jac=True, method="L-BFGS-B", options={"maxiter": 60}).x / scale


def overlap(ink, pieces, drawn, scale):
    """Compute the largest intersection over union of pieces together and a character that was drawn."""
    left, top, right, bottom = reading.union(np.array([piece.box for piece in pieces]))
    own = np.zeros((bottom - top, right - left), bool)
    for piece in pieces:
        x0, y0, x1, y1 = piece.box - (left, top, left, top)
        own[y0:y1, x0:x1] |= piece.strength > 0.4
    best = 0
    for x, y, drawing in drawn:
        height, width = drawing.shape
        rows = ((np.arange(top, bottom) + 0.5) / scale - y).astype(int)
        columns = ((np.arange(left, right) + 0.5) / scale - x).astype(int)
        inside = ((0 <= rows) & (rows < height))[:, None] & (0 <= columns) & (columns < width)
        shown = inside & (drawing[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)] > 0.4)
        both = (shown & own).sum()
        best = max(best, both / (own.sum() + (drawing > 0.4).sum() * scale**2 - both))
    return best


def loss(weights, samples, scale, decay=1e-3):
    """Compute the mean negative log-likelihood of the right paths, and its gradient, by the forward-backward algorithm."""
    total, gradient = 0.0, np.zeros_like(weights)
    for count, spans, features, right in samples:
        features = features / scale
        scores = features @ weights
        before, after = np.full(count + 1, -np.inf), np.full(count + 1, -np.inf)
        before[0] = after[count] = 0
        for score, (first, end) in zip(scores, spans):
            before[end] = np.logaddexp(before[end], before[first] + score)
        for score, (first, end) in zip(scores[::-1], spans[::-1]):
            after[first] = np.logaddexp(after[first], after[end] + score)
        first, end = np.transpose(spans)
        likely = np.exp(before[first] + scores + after[end] - after[0])
        total += after[0] - scores[right].sum()
        gradient += likely @ features - features[right].sum(axis=0)
    return total / len(samples) + decay * weights @ weights, gradient / len(samples) + 2 * decay * weights


if __name__ == "__main__":
    run_cli(main)
