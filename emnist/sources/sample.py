"""The rendered sample: characters of the 62 classes by synthetic writers.

It replaces EMNIST where that cannot be downloaded; results on it are not results on EMNIST.
"""

import functools
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.interpolate import CubicHermiteSpline
from scipy.ndimage import distance_transform_edt, map_coordinates

from emnist.data import idx
from emnist.data.classes import CHARACTERS
from emnist.data.convert import SIDE, centre
from emnist.params import Count, Section, Seed
from emnist.utils.progress import log, progress
from emnist.utils.workers import run_in_workers

TITLE = "the rendered sample"
SMALL = "abcdefghijklmnopqrstuvwxyz"

# Package, file within it, and the characters that it lacks or draws unlike handwriting. Variable fonts are used at
# their lightest weight, since the width of the pen depends on the writer.
FONTS = [
    ("font_amatic_sc", "AmaticSC-Regular.ttf", "4" + SMALL),
    ("fontpkg_caveat", "Caveat[wght].ttf", ""),
    ("fontpkg_dancing_script", "DancingScript[wght].ttf", "4"),
    ("fontpkg_delius", "Delius-Regular.ttf", "4"),
    ("fontpkg_indie_flower", "IndieFlower-Regular.ttf", "a"),
    ("fontpkg_kalam", "Kalam-Light.ttf", ""),
    ("fontpkg_permanent_marker", "PermanentMarker-Regular.ttf", SMALL),
    ("fontpkg_satisfy", "Satisfy-Regular.ttf", ""),
    ("fontpkg_shadows_into_light", "ShadowsIntoLight.ttf", ""),
    ("fontpkg_zeyada", "Zeyada.ttf", ""),
]

# Forms that are common in handwriting but not in these fonts, such as a looped 2 or a 1 of one stroke. Each is a
# list of points on a ten by ten grid, column then row from the top left, which are joined by a smooth curve. A repeated
# point is a corner, and a slash starts a new stroke.
STROKES = {
    "0": [
        "60 31 15 38 66 72 50 20",
        "51 22 17 49 77 72 41",
        "61 32 17 28 57 62 50 31",
        "51 12 06 28 69 95 81 40",
        "40 11 05 18 59 96 83 30",
        "41 12 06 38 67 72 51",
        "52 21 04 17 39 68 74 62 40",
        "60 21 05 18 48 76 72 40 21 13",
    ],
    "1": [
        "23 50 50 49",
    ],
    "2": [
        "12 30 61 64 37 19 08 17 38 69 88",
        "12 40 62 35 18 07 16 48 88",
        "02 30 71 74 37 19 07 26 78 97",
        "12 40 62 36 19 19 47 79",
        "13 30 61 54 27 08 07 37 59 98",
        "32 50 72 65 38 19 07 16 38 58 87",
        "22 40 60 63 46 18 07 05 25 47 58 78",
        "02 20 61 64 37 18 18 38 57",
        "33 42 53 45 27 08 08 38 88",
        "13 30 61 64 37 08 05 25 48 79",
        "11 40 71 64 28 07 06 26 58 88",
        "22 40 61 54 37 18 06 26 47 78",
        "20 50 62 44 27 29 29 79",
    ],
    "3": [
        "12 40 62 34 34 66 59 18",
        "10 10 60 60 34 34 66 59 18",
        "21 50 72 54 34 54 77 59 18",
        "20 50 62 44 44 67 58 39 08",
    ],
    "4": [
        "20 15 15 85/61 59",
        "10 14 26 55 71 71 64 59",
        "30 05 05 75/50 49",
        "10 13 25 45 64 70 70 59",
        "00 14 14 65/60 59",
        "20 05 05 85/60 47",
        "10 14 14 74/50 49",
        "31 04 15 75/62 58",
        "00 13 34 63/70 59",
        "10 13 24 63 71 71 49",
        "21 14 34 64/81 59",
        "11 03 14 44 62 70 60 59",
    ],
    "5": [
        "20 24 53 76 59 18/20 80",
        "71 30 24 44 66 49 18",
        "91 40 34 63 76 58 28",
        "61 21 21 14 33 55 57 38 17",
        "70 20 20 24 45 57 48 18",
        "81 20 13 43 65 57 39 08",
        "71 40 21 14 44 66 57 39 17",
        "70 30 23 53 66 58 28",
        "61 31 23 54 65 48 18",
        "60 30 24 55 67 48 17",
        "71 31 14 44 55 57 29 08",
    ],
    "6": [
        "70 34 17 39 68 65 36 17",
        "30 15 18 49 77 65 46 28",
        "60 32 14 17 39 68 66 46 27",
        "40 24 17 39 68 65 45 27",
        "70 33 15 18 49 77 75 65",
        "40 23 17 38 67 65 45 37",
        "30 14 07 18 48 66 56 37",
        "20 05 08 29 59 77 66 37",
        "10 04 07 29 69 77 56 26",
    ],
    "7": [
        "03 11 71 71 45 39",
        "11 71 71 49/25 75",
        "02 21 51 70 70 53 39",
        "14 22 40 51 53 46 39",
    ],
    "8": [
        "71 40 12 44 76 49 16 44 80",
        "80 50 22 44 66 49 17 44 72 61",
        "71 50 32 44 55 47 39 27 44 82",
        "80 42 24 55 67 58 38 36 54 71",
        "70 50 31 23 54 66 58 38 36 54 72 80",
        "21 33 56 68 49 28 27 54 71",
        "80 40 22 44 65 68 39 28 46 62",
        "72 50 31 33 55 67 48 37 46 53 80",
        "60 31 43 65 68 48 36 44 62 71",
        "81 61 32 33 55 57 38 27 35 63 71",
    ],
    "9": [
        "71 40 22 34 63 71 71 65 59",
        "72 50 21 13 35 63 72 71 71 69",
        "71 40 22 34 63 71 71 76 58 28",
        "60 31 23 44 62 71 60 60 49",
        "81 40 13 24 53 81 81 49",
        "72 61 31 14 34 73 71 62 66 68 59",
        "71 50 22 24 54 72 71 66 49 19",
        "62 41 13 24 54 71 68 59",
        "60 22 04 35 63 61 61 69",
        "71 40 12 24 53 71 67 49 18",
        "51 22 14 34 72/81 69",
        "51 22 14 35 64 81 73 59",
        "81 50 32 24 44 73 81 59",
        "61 32 14 25 53 71 62 59",
        "60 31 23 44 72 72 59",
    ],
    "A": [
        "19 13 31 50 72 79/15 75",
        "09 30 50 69/15 75",
        "08 40 50 69 69 66 35 15",
    ],
    "B": [
        "10 19/10 60 72 44 44 77 68 19",
        "29 10 00 50 71 44 24 44 76 49 19",
    ],
    "C": [
        "71 40 13 07 39 78",
        "72 70 50 22 15 38 68 87",
        "70 40 13 16 38 77",
        "73 71 50 22 15 38 68 87",
        "62 71 50 22 05 28 58 87",
        "52 71 50 21 05 18 49 78",
    ],
    "D": [
        "10 19/00 50 84 69 09",
        "20 29 09 49 85 60 20 01",
        "20 29/10 51 74 58 19",
        "21 28 20 51 74 58 28 19",
        "11 19/10 50 73 67 39 08",
    ],
    "E": [
        "71 30 14 44 16 39 78",
        "80 30 13 07 39 88/14 64",
        "70 10 19 79/14 64",
    ],
    "F": [
        "70 20 20 29/24 64",
        "00 80/40 36 28 08/24 64",
    ],
    "G": [
        "72 40 14 38 67 75 75 69 69/45 85",
        "61 30 14 38 66 55 55 95 95 69",
        "71 30 14 27 55 63 63 69",
        "70 31 05 18 49 77 64 45",
        "81 40 13 07 39 68 75 45 45",
        "71 30 04 18 48 66 65 35 85",
    ],
    "J": [
        "17 39 67 60/20 90",
        "17 39 67 60",
        "16 38 58 66 60",
    ],
    "L": [
        "20 16 39 79",
        "30 17 28 88",
        "10 19 19 79",
        "30 25 08 19 89",
    ],
    "M": [
        "19 20 45 45 70 79",
        "09 10 10 46 46 80 80 89",
    ],
    "N": [
        "09 13 21 33 47 68 76 80",
        "19 20 20 79 79 80",
        "19 21 31 58 69 80",
    ],
    "P": [
        "19 20/00 60 73 55 25",
        "30 29/01 40 72 64 25",
        "29 22 40 72 55 25",
    ],
    "Q": [
        "51 22 17 49 77 72 41/56 89",
        "31 12 17 49 77 72 31 46 36 68 98",
    ],
    "R": [
        "29 30 30 71 74 25 25 58 89",
        "10 19/10 50 72 54 14 14 79",
    ],
    "S": [
        "71 40 12 24 55 67 49 18",
        "80 50 22 34 65 77 58 28",
        "71 70 40 22 24 55 77 59 29 18",
    ],
    "T": [
        "10 90/50 49",
        "10 80/50 39",
        "21 91/50 50 49",
    ],
    "U": [
        "10 16 39 67 70",
        "10 17 39 57 70 70 69",
        "00 05 18 48 66 70",
    ],
    "a": [
        "61 30 13 26 48 66 62 61 61 67 88",
        "21 40 61 63 69/64 34 16 18 38 66",
        "12 40 62 65 69 89/64 25 07 19 48 65",
        "23 41 62 65 68 78/65 35 17 28 48 66",
        "70 30 03 07 39 67 71 71 78 88",
        "60 20 04 08 28 66 60 60 68 88",
    ],
    "b": [
        "16 50 40 18 49 76 63 85",
        "10 18 18 14 33 66 58 18",
        "20 28 28 25 54 66 58 28",
    ],
    "d": [
        "61 30 14 37 66 80 80 78 89",
    ],
    "e": [
        "05 64 61 30 15 39 76",
        "06 34 52 31 13 07 39 68 87",
        "17 45 61 41 24 17 39 68",
        "15 55 62 40 12 17 49 87",
        "16 44 52 41 23 17 39 78",
    ],
    "f": [
        "72 50 42 45 39/14 74",
        "36 62 50 34 29/14 64",
        "05 44 60 40 34 39 28 45 85",
        "70 50 42 49/24 74",
        "81 60 42 49/14 75",
    ],
    "g": [
        "61 30 13 34 62 61 61 67 49 28 47 85",
        "71 40 22 34 63 71 71 76 58 28",
        "60 31 23 44 61 61 66 49 27 46 64",
    ],
    "h": [
        "10 19 19 35 54 66 69",
        "05 43 40 20 28 28 44 55 58 87",
        "20 29 25 43 64 69",
        "20 29 25 44 65 69 89",
    ],
    "j": [
        "51 52/54 57 39 18",
    ],
    "k": [
        "10 19/60 15 15 69",
        "05 43 40 20 29 29 44 63 54 35 57 78",
    ],
    "l": ["50 49"] * 20 + ["50 48 49 69", "50 52 57 49"],
    "m": [
        "08 02 02 08 08 13 32 38 38 43 62 68 88",
        "09 02 02 09 09 23 31 39 39 53 61 69",
    ],
    "n": [
        "10 19 19 31 61 73 69 89",
        "05 21 29 29 42 61 68 88",
        "12 19 19 23 51 63 69",
        "21 29 29 34 62 74 79",
        "10 19 14 32 52 65 69",
        "11 19 13 31 61 74 88",
    ],
    "q": [
        "61 30 13 35 62 61 61 59 68 87",
        "71 40 22 34 63 71 71 69",
        "61 30 13 34 61 61 59 69 86",
    ],
    "r": [
        "08 22 33 52 57 68 86",
        "21 29 24 42 63",
        "10 19 19 14 40 70 72",
        "11 19 14 32 62 74",
        "20 29 24 42 71 82",
    ],
    "t": [
        "40 47 59 78/13 73",
        "17 50 50 38 59 77/14 83",
        "50 49/13 83",
        "40 49/14 74",
        "51 38/13 83",
        "60 39/24 84",
        "40 46 49 69/14 74",
        "40 37 59 78/13 73",
        "50 49/03 73",
    ],
    "y": [
        "10 24 45 70/80 39",
        "10 14 46 64 70 70 66 49 17",
        "10 45/80 29",
        "11 25 55 71/80 29",
    ],
    "z": [
        "12 50 62 26 26 56 68 48",
    ],
}
STROKES_WEIGHT = 4  # how many times as often as a font each of these forms is used

# Approximate number of images of each class in EMNIST ByClass, in thousands and in the order of CHARACTERS. The ten
# digits, which differ little, have their mean.
BYCLASS_COUNTS = [40.3] * 10 + [
    7.5, 4.5, 11.8, 5.3, 5.8, 10.6, 3.0, 3.7, 14.0, 4.4, 2.9, 5.9, 10.5,
    9.6, 29.1, 9.7, 3.0, 5.9, 24.3, 11.4, 14.6, 5.4, 5.5, 3.2, 5.5, 3.2,
    11.7, 6.0, 3.3, 11.9, 28.7, 3.0, 4.3, 10.2, 3.2, 2.2, 3.0, 17.9, 3.1,
    13.3, 3.2, 2.8, 3.5, 16.4, 3.1, 21.2, 3.3, 3.4, 3.2, 3.3, 2.7, 3.2,
]  # fmt: skip
MIN_CLASS_COUNT = 4.0  # thousands: a rarer class is raised to this, since a sample is far smaller than EMNIST

# Mean of log(width / height) of the ink of each class in EMNIST's training images, to which each form is stretched.
# Those of OWN_ASPECT have forms that differ too much for a common one.
ASPECTS = [
    -0.10, -0.94, -0.03, -0.22, -0.24, -0.01, -0.31, -0.28, -0.27, -0.41,
    -0.07, -0.15, -0.01, -0.06, 0.01, -0.24, -0.06, -0.12, -0.85, -0.06, -0.12, -0.25, 0.39,
    0.12, -0.04, -0.30, -0.10, -0.05, -0.12, 0.05, 0.01, -0.16, 0.21, -0.18, -0.41, 0.10,
    0.19, -0.42, 0.02, -0.29, 0.08, -0.29, -0.33, -0.44, -0.86, -0.48, -0.21, -0.96, 0.46,
    0.11, -0.06, -0.23, -0.32, 0.00, -0.10, -0.26, 0.11, -0.05, 0.40, -0.08, -0.33, 0.21,
]  # fmt: skip
OWN_ASPECT = "1Iijl"

# The share of writers who write a character as they would another: estimates by eye from EMNIST's training images.
WRITTEN_AS = {
    "1": ("l", 0.92),
    "I": ("l", 0.85),
    "i": ("l", 0.5),
    "j": ("J", 0.45),
    "F": ("f", 0.5),
    "M": ("m", 0.65),
    "U": ("u", 0.4),
    "W": ("w", 0.3),
    "Y": ("y", 0.4),
    "T": ("t", 0.15),
    "f": ("F", 0.15),
    "m": ("M", 0.1),
    **{character: (character.upper(), 0.5) for character in "ckopsuvwxyz"},
}

IMAGES_PER_WRITER = 25
WRITERS_AT_ONCE = 400  # the most whose images are in memory
FONT_SIZE = 128  # pixels, at which the forms of a font are rasterised
CAPITAL_HEIGHT = 92  # pixels, of the forms in STROKES; fonts have their own
CANVAS = 48  # pixels, the side of the canvas
CANVAS_SCALE = 1.3  # side of the canvas in longer sides of the character, which distortion enlarges
KNOTS = 4  # along each side of the grid of random displacements
ROUGH_KNOTS = 12  # the same, of the small variations of the stroke's width

# Standard deviations between writers and within a writer: aspect is the logarithm of width to height, elastic the
# displacement in halves of the longer side, slant the shear to the right.
BETWEEN = {"aspect": 0.15, "elastic": 0.07, "slant": 0.17}
WITHIN = {"aspect": 0.10, "elastic": 0.06, "slant": 0.08}
SLANT = 0.15  # mean of the shear
ASPECT_BY_SLANT = 0.08  # what the slant adds to the logarithm of width to height, on average
PEN = (0.062, 0.098)  # half a stroke's width, in longer sides of a character as large as a capital
PEN_EXPONENT = 0.3  # by which a stroke of a small character is wider, relative to the character
PEN_JITTER = 0.1  # of the logarithm of the pen, standard deviation from image to image
PRESSURE = 0.12  # of the pen, standard deviation along a stroke
ROUGHNESS = 0.1  # the same, over short distances
SOFTNESS = (0.04, 0.10)  # width of a stroke's grey edge, in longer sides
CONTRAST = 1.06  # factor of the grey levels, so that the middle of a stroke is white, as in EMNIST


class Options(Section):
    """Numbers of training and test images, and the seed of all random numbers of the sample."""

    train: Count
    test: Count
    seed: Seed


def obtain(options, raw, with_digits=True):
    """Write the rendered sample and, if `with_digits`, scikit-learn's digits to the folder `raw`, four files each."""
    raw = Path(raw)
    for part, (labels, pages) in zip(("train", "test"), _render_parts(**dict(options))):
        idx.write_image_blocks(raw / f"emnist-byclass-{part}-images-idx3-ubyte.gz", len(labels), pages, transposed=True)
        idx.write_labels(raw / f"emnist-byclass-{part}-labels-idx1-ubyte.gz", labels)
    if not with_digits:
        return
    train_images, train_labels, test_images, test_labels = digits()
    for part, images, labels in [("train", train_images, train_labels), ("t10k", test_images, test_labels)]:
        idx.write_images(raw / f"{part}-images-idx3-ubyte.gz", images)
        idx.write_labels(raw / f"{part}-labels-idx1-ubyte.gz", labels)


def render(train, test, seed, workers=None):
    """Render a sample; the result does not depend on the number of processes.

    Parameters
    ----------
    train, test : int
        Numbers of training and test images. No writer is in both parts.
    seed : int
    workers : int, optional
        Number of processes, one for each core by default.

    Returns
    -------
    train_images : numpy.ndarray of uint8, shape (train, 28, 28)
        Upright, white on black, as returned by `emnist.data.convert.convert`.
    train_labels : numpy.ndarray of uint8, shape (train,)
        Indices into `CHARACTERS`, approximately as unbalanced as ByClass.
    test_images, test_labels
        The same for the test part.

    References
    ----------
    Simard, P., Steinkraus, D. and Platt, J. (2003). Best practices for convolutional neural networks applied
    to visual document analysis. ICDAR. (Elastic distortion.)

    Cohen, G., Afshar, S., Tapson, J. and van Schaik, A. (2017). EMNIST: an extension of MNIST to handwritten
    letters. arXiv:1702.05373. (Class frequencies and conversion.)
    """
    parts = []
    for labels, pages in _render_parts(train, test, seed, workers):
        parts += [np.concatenate(list(pages)), labels]
    return tuple(parts)


def _render_parts(train, test, seed, workers=None):
    """Yield for both parts the labels and an iterable of the images, a page of one writer after another."""
    for name, tasks in zip(("training", "test"), writers(train, test, seed)):
        labels = np.concatenate([page for _, page in tasks])
        log(f"rendering {len(labels):,} {name} images by {len(tasks):,} synthetic writers")
        yield labels, progress(_render_pages(tasks, workers), "rendering", len(tasks), "writers")


def _render_pages(tasks, workers):
    """Yield the pages of all writers in order, with few of them in memory."""
    for start in range(0, len(tasks), WRITERS_AT_ONCE):
        some = dict(enumerate(tasks[start : start + WRITERS_AT_ONCE]))
        pages = dict(run_in_workers("rendering", render_writer, some, workers, "close other programs"))
        yield from (pages[number] for number in some)


def writers(train, test, seed):
    """Divide the labels of a sample among writers.

    Parameters
    ----------
    train, test, seed
        As for `render`.

    Returns
    -------
    list of list of (numpy.random.SeedSequence, numpy.ndarray of uint8)
        For the training and the test part, the arguments of `render_writer` for each writer.
    """
    weights = np.maximum(BYCLASS_COUNTS, MIN_CLASS_COUNT)
    parts = []
    for count, sequence in zip((train, test), np.random.SeedSequence(seed).spawn(2)):
        share = count * weights / weights.sum()
        counts = np.floor(share).astype(int)
        counts[np.argsort(counts - share, kind="stable")[: count - counts.sum()]] += 1
        labels = np.repeat(np.arange(len(CHARACTERS), dtype=np.uint8), counts)
        np.random.default_rng(sequence).shuffle(labels)
        pages = np.split(labels, range(IMAGES_PER_WRITER, count, IMAGES_PER_WRITER))
        parts.append(list(zip(sequence.spawn(len(pages)), pages)))
    return parts


def render_writer(seed, labels):
    """Render characters by one writer, who has one form of each character, one width and one pen.

    Parameters
    ----------
    seed : numpy.random.SeedSequence
        Of the writer.
    labels : numpy.ndarray of uint8, shape (N,)
        Indices into `CHARACTERS`.

    Returns
    -------
    numpy.ndarray of uint8, shape (N, 28, 28)
    """
    rng = np.random.default_rng(seed)
    count, classes = len(labels), len(CHARACTERS)
    written_as, chosen_form = rng.random((2, classes))
    knots = rng.normal(0, BETWEEN["elastic"], (classes, 2, KNOTS, KNOTS))[labels]
    knots += rng.normal(0, WITHIN["elastic"], knots.shape)
    aspects = rng.normal(0, BETWEEN["aspect"]) + rng.normal(0, WITHIN["aspect"], count)
    slants = SLANT + rng.normal(0, BETWEEN["slant"]) + rng.normal(0, WITHIN["slant"], count)
    pens = rng.uniform(*PEN) * np.exp(rng.normal(0, PEN_JITTER, count))
    softness = rng.uniform(*SOFTNESS)
    pressure = 1 + PRESSURE * _interpolate(rng.normal(0, 1, (count, KNOTS, KNOTS)))
    pressure += ROUGHNESS * _interpolate(rng.normal(0, 1, (count, ROUGH_KNOTS, ROUGH_KNOTS)))
    positions = _interpolate(knots) + np.stack(np.meshgrid(PIXELS, PIXELS, indexing="ij"))

    images = np.empty((count, SIDE, SIDE), np.uint8)
    for k, label in enumerate(labels):
        other, share = WRITTEN_AS.get(CHARACTERS[label], (None, 0))
        character = other if written_as[label] < share else CHARACTERS[label]
        choices = forms(character)
        form = outline(choices[int(chosen_form[label] * len(choices))], character)
        aspect = aspects[k]
        if CHARACTERS[label] not in OWN_ASPECT:
            aspect += ASPECTS[label] - ASPECT_BY_SLANT - form[-1]
        ink = _draw(*form, aspect, slants[k], positions[k], pens[k], pressure[k], softness)
        images[k] = np.minimum(CONTRAST * centre(ink), 255)
    return images


def _draw(distance, side, capital, half_width, own_aspect, aspect, slant, positions, pen, pressure, softness):
    """Draw an outline at distorted positions (2, CANVAS, CANVAS): grey levels from 0 to 1."""
    # The form is stretched, then slanted, then scaled so that its longer side fits the canvas.
    stretch = np.exp(aspect / 2)
    width, height = stretch * min(np.exp(own_aspect), 1), min(np.exp(-own_aspect), 1) / stretch
    scale = max(width + abs(slant) * height, height)
    y, x = positions * scale
    x, y = (x + slant * y) / stretch, y * stretch
    middle = (len(distance) - 1) / 2
    sampled = map_coordinates(distance, middle + side / 2 * np.stack([y, x]), order=1, mode="nearest")
    # A font's own stroke is not thinned so far that it would break.
    relative = capital / side / scale
    pen = max(pen * relative**PEN_EXPONENT, 0.6 * half_width * relative)
    return np.clip(((sampled - half_width) * relative + pen * pressure) / softness + 0.5, 0, 1)


PIXELS = CANVAS_SCALE * (2 * np.arange(CANVAS) + 1 - CANVAS) / CANVAS


def _interpolate(knots):
    """Interpolate values at a grid of knots (..., K, K): each has Gaussian weights, as in Simard et al."""
    grid = np.linspace(-1, 1, knots.shape[-1])
    weights = np.exp(-0.75 * ((PIXELS[:, None] - grid) / (grid[1] - grid[0])) ** 2)
    return weights @ knots @ weights.T


@functools.cache
def forms(character):
    """List the forms of a character (str), repeated by weight: (package, file) of a font, or str of strokes."""
    fonts = [(package, file) for package, file, without in FONTS if character not in without]
    return fonts + STROKES.get(character, []) * STROKES_WEIGHT


@functools.cache
def outline(form, character):
    """Compute the signed distance to the outline of a form.

    Parameters
    ----------
    form : (str, str) or str
        As in the list that `forms` returns.
    character : str

    Returns
    -------
    distance : numpy.ndarray of float32, shape (2 * side, 2 * side)
        Distance to the outline, positive inside the ink, in heights of a capital.
    side : int
        The form's longer side, in pixels.
    capital : float
        The height of a capital, in pixels.
    half_width : float
        Half the stroke's width, in heights of a capital.
    aspect : float
        The logarithm of width to height.
    """
    ink, side, capital = (
        _rasterise_strokes(form) if isinstance(form, str) else _rasterise_glyph(_load_font(*form), character)
    )
    inside = distance_transform_edt(ink)
    distance = (inside - distance_transform_edt(~ink)) / capital
    # Across a stroke of constant width, the mean distance to its edge is a quarter of the width.
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    aspect = np.log((np.ptp(columns) + 1) / (np.ptp(rows) + 1))
    return distance.astype(np.float32), side, capital, 2 * inside[ink].mean() / capital, aspect


@functools.cache
def _load_font(package, file):
    with resources.as_file(resources.files(package) / "files" / file) as path:
        font = ImageFont.truetype(str(path), FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
    if "[wght]" in file:
        font.set_variation_by_axes([axis["minimum"] for axis in font.get_variation_axes()])
    return font


def _rasterise_glyph(font, character):
    left, top, right, bottom = font.getbbox(character, anchor="ls")
    side = max(right - left, bottom - top)
    canvas = Image.new("L", (2 * side, 2 * side))
    corner = side - (left + right) / 2, side - (top + bottom) / 2
    ImageDraw.Draw(canvas).text(corner, character, fill=255, font=font, anchor="ls")
    return np.asarray(canvas) > 127, side, -font.getbbox("H", anchor="ls")[1]


def _rasterise_strokes(strokes):
    curves = []
    for stroke in strokes.split("/"):
        points = np.array([[int(digit) for digit in point] for point in stroke.split()]) / 9 * CAPITAL_HEIGHT
        spline = CubicHermiteSpline(np.arange(len(points)), points, np.gradient(points, axis=0))
        curves.append(spline(np.linspace(0, len(points) - 1, 20 * len(points))))
    low, high = np.min(np.concatenate(curves), axis=0), np.max(np.concatenate(curves), axis=0)
    side = round(max(high - low))
    canvas = Image.new("L", (2 * side, 2 * side))
    for curve in curves:
        ImageDraw.Draw(canvas).line([tuple(point) for point in curve + side - (low + high) / 2], fill=255)
    return np.asarray(canvas) > 127, side, CAPITAL_HEIGHT


def digits():
    """Load scikit-learn's handwritten digits, converted to MNIST's format.

    Returns
    -------
    train_images, train_labels, test_images, test_labels : numpy.ndarray of uint8
        1,437 and 360 images of 28x28 pixels, white on black, with a margin of 4 pixels as in MNIST; stratified by
        class.
    """
    from sklearn.datasets import load_digits  # imported here, since the processes that render do not need it
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    content = [
        Image.fromarray(image.reshape(8, 8).astype(np.float32)).resize((20, 20), Image.Resampling.BICUBIC)
        for image in images
    ]
    scaled = np.rint(np.clip(np.stack(content) / 16, 0, 1) * 255).astype(np.uint8)
    images = np.pad(scaled, ((0, 0), (4, 4), (4, 4)))
    split = train_test_split(images, labels.astype(np.uint8), test_size=0.2, stratify=labels, random_state=0)
    train_images, test_images, train_labels, test_labels = split
    return train_images, train_labels, test_images, test_labels
