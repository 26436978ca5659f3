"""The rendered sample: characters of the 62 classes by synthetic writers.

It replaces EMNIST where that cannot be downloaded; results on it are not results on EMNIST.
"""

import functools
from importlib import resources
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from PIL import Image, ImageDraw, ImageFont
from scipy.interpolate import CubicHermiteSpline
from scipy.ndimage import distance_transform_edt, map_coordinates

from emnist.data import idx
from emnist.data.classes import CHARACTERS
from emnist.data.convert import convert
from emnist.params import Count, Section, Seed
from emnist.utils.progress import log, progress
from emnist.utils.workers import workers_ignore_sigint

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
    ],
    "1": ["50 49", "50 49", "50 49", "23 50 50 49"],
    "2": [
        "12 30 61 64 37 19 08 17 38 69 88",
        "12 40 62 35 18 07 16 48 88",
        "02 30 71 74 37 19 07 26 78 97",
        "12 40 62 36 19 19 47 79",
        "13 30 61 54 27 08 07 37 59 98",
    ],
    "3": ["12 40 62 34 34 66 59 18", "10 10 60 60 34 34 66 59 18"],
    "4": ["20 15 15 85/61 59", "10 14 26 55 71 71 64 59", "30 05 05 75/50 49"],
    "5": ["20 24 53 76 59 18/20 80", "71 30 24 44 66 49 18", "91 40 34 63 76 58 28"],
    "6": ["70 34 17 39 68 65 36 17", "30 15 18 49 77 65 46 28"],
    "7": ["03 11 71 71 45 39", "11 71 71 49/25 75", "02 21 51 70 70 53 39", "14 22 40 51 53 46 39"],
    "8": ["71 40 12 44 76 49 16 44 80", "80 50 22 44 66 49 17 44 72 61", "71 50 32 44 55 47 39 27 44 82"],
    "9": [
        "71 40 22 34 63 71 71 65 59",
        "72 50 21 13 35 63 72 71 71 69",
        "71 40 22 34 63 71 71 76 58 28",
        "60 31 23 44 62 71 60 60 49",
        "81 40 13 24 53 81 81 49",
        "72 61 31 14 34 73 71 62 66 68 59",
    ],
    "B": ["10 19/10 60 72 44 44 77 68 19", "29 10 00 50 71 44 24 44 76 49 19"],
    "D": ["10 19/00 50 84 69 09", "20 29 09 49 85 60 20 01"],
    "E": ["71 30 14 44 16 39 78"],
    "F": ["70 20 20 29/24 64", "00 80/40 36 28 08/24 64"],
    "G": ["72 40 14 38 67 75 75 69 69/45 85", "61 30 14 38 66 55 55 95 95 69", "71 30 14 27 55 63 63 69"],
    "J": ["17 39 67 60/20 90"],
    "Q": ["51 22 17 49 77 72 41/56 89", "31 12 17 49 77 72 31 46 36 68 98"],
    "a": ["61 30 13 26 48 66 62 61 61 67 88"],
    "b": ["16 50 40 18 49 76 63 85", "10 18 18 14 33 66 58 18"],
    "d": ["61 30 14 37 66 80 80 78 89"],
    "e": ["05 64 61 30 15 39 76"],
    "f": ["72 50 42 45 39/14 74", "36 62 50 34 29/14 64", "05 44 60 40 34 39 28 45 85"],
    "g": ["61 30 13 34 62 61 61 67 49 28 47 85", "71 40 22 34 63 71 71 76 58 28"],
    "h": ["10 19 19 35 54 66 69", "05 43 40 20 28 28 44 55 58 87"],
    "k": ["10 19/60 15 15 69", "05 43 40 20 29 29 44 63 54 35 57 78"],
    "l": ["18 55 60 40 35 49 78"],
    "n": ["10 19 19 31 61 73 69 89", "05 21 29 29 42 61 68 88"],
    "q": ["61 30 13 35 62 61 61 59 68 87", "71 40 22 34 63 71 71 69"],
    "r": ["08 22 33 52 57 68 86", "21 29 24 42 63", "10 19 19 14 40 70 72"],
    "t": ["40 47 59 78/13 73", "17 50 50 38 59 77/14 83"],
    "y": ["10 24 45 70/80 39", "10 14 46 64 70 70 66 49 17"],
    "z": ["12 50 62 26 26 56 68 48"],
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
MIN_CLASS_COUNT = 8.0  # thousands: a rarer class is raised to this, since a sample is far smaller than EMNIST

IMAGES_PER_WRITER = 25
FONT_SIZE = 128  # pixels, at which the forms of a font are rasterised
CAPITAL_HEIGHT = 92  # pixels, of the forms in STROKES; fonts have their own
SCAN_SIZE_RANGE = (24, 60)  # pixels, the longer side of a scanned character; conversion blurs small ones more
CANVAS_SCALE = 1.6  # side of the canvas in longer sides of the character, which distortion enlarges
KNOTS = 4  # along each side of the grid of random displacements

# Standard deviations between writers and within a writer: aspect is the logarithm of width to height, elastic the
# displacement in halves of the longer side. Random slant did not improve accuracy on real handwriting.
BETWEEN = {"aspect": 0.18, "elastic": 0.07}
WITHIN = {"aspect": 0.10, "elastic": 0.06}
PEN = (0.045, 0.11)  # half a stroke's width, in heights of a capital
PEN_JITTER = 0.1  # of the logarithm of the pen, standard deviation from image to image
PRESSURE = 0.12  # of the pen, standard deviation along a stroke


class Options(Section):
    """Numbers of training and test images, and the seed of all random numbers of the sample."""

    train: Count
    test: Count
    seed: Seed


def obtain(options, raw, with_digits=True):
    """Write the rendered sample and, if `with_digits`, scikit-learn's digits to the folder `raw`, four files each."""
    raw = Path(raw)
    train_images, train_labels, test_images, test_labels = render(**dict(options))
    for part, images, labels in [("train", train_images, train_labels), ("test", test_images, test_labels)]:
        idx.write_images(raw / f"emnist-byclass-{part}-images-idx3-ubyte.gz", images, transposed=True)
        idx.write_labels(raw / f"emnist-byclass-{part}-labels-idx1-ubyte.gz", labels)
    if not with_digits:
        return
    train_images, train_labels, test_images, test_labels = digits()
    for part, images, labels in [("train", train_images, train_labels), ("t10k", test_images, test_labels)]:
        idx.write_images(raw / f"{part}-images-idx3-ubyte.gz", images)
        idx.write_labels(raw / f"{part}-labels-idx1-ubyte.gz", labels)


def render(train, test, seed, workers=-1):
    """Render a sample; the result does not depend on the number of processes.

    Parameters
    ----------
    train, test : int
        Numbers of training and test images. No writer is in both parts.
    seed : int
    workers : int
        Number of processes, as joblib's `n_jobs`: -1 is one for each core.

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
    for name, tasks in zip(("training", "test"), writers(train, test, seed)):
        labels = np.concatenate([page for _, page in tasks])
        log(f"rendering {len(labels):,} {name} images by {len(tasks):,} synthetic writers")
        with workers_ignore_sigint():
            pages = Parallel(n_jobs=workers, return_as="generator")(delayed(render_writer)(*task) for task in tasks)
        parts += [np.concatenate(list(progress(pages, "rendering", len(tasks), "writers"))), labels]
    return tuple(parts)


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
    aspect = rng.normal(0, BETWEEN["aspect"])
    pen, scan_size = rng.uniform(*PEN), rng.uniform(*SCAN_SIZE_RANGE)
    writer_forms = [forms(character)[rng.integers(len(forms(character)))] for character in CHARACTERS]
    knots = rng.normal(0, BETWEEN["elastic"], (len(CHARACTERS), 2, KNOTS, KNOTS))
    outlines = [outline(form, character) for form, character in zip(writer_forms, CHARACTERS)]
    return np.stack([_render_character(rng, *outlines[k], aspect, knots[k], pen, scan_size) for k in labels])


def _render_character(rng, distance, side, capital, half_width, aspect, knots, pen, scan_size):
    """Render an outline with the writer's distortion and a random one."""
    count = round(CANVAS_SCALE * scan_size)
    coordinates = (np.arange(count) - (count - 1) / 2) / (scan_size / 2)
    # Each knot displaces its neighbourhood, with Gaussian weights, so that the field is smooth as that of Simard et al.
    grid = np.linspace(-1, 1, KNOTS)
    weights = np.exp(-0.75 * ((coordinates[:, None] - grid) / (grid[1] - grid[0])) ** 2)
    knots = knots + rng.normal(0, WITHIN["elastic"], knots.shape)
    y, x = weights @ knots @ weights.T + np.stack(np.meshgrid(coordinates, coordinates, indexing="ij"))

    stretch = np.exp((aspect + rng.normal(0, WITHIN["aspect"])) / 2)
    x, y = x / stretch, y * stretch
    centre = (len(distance) - 1) / 2
    sampled = map_coordinates(distance, centre + side / 2 * np.stack([y, x]), order=1, mode="nearest")

    # The stroke of a small letter is finer than a capital's, but by less than the letter is smaller. A font's own
    # stroke is not thinned so far that it would break.
    pen = max(pen * np.exp(rng.normal(0, PEN_JITTER)) * np.sqrt(side / capital), 0.6 * half_width)
    pressure = 1 + PRESSURE * weights @ rng.normal(0, 1, (KNOTS, KNOTS)) @ weights.T
    return convert(np.where(sampled > half_width - pen * pressure, 255, 0).astype(np.uint8))


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
    """
    ink, side, capital = (
        _rasterise_strokes(form) if isinstance(form, str) else _rasterise_glyph(_load_font(*form), character)
    )
    inside = distance_transform_edt(ink)
    distance = (inside - distance_transform_edt(~ink)) / capital
    # Across a stroke of constant width, the mean distance to its edge is a quarter of the width.
    return distance.astype(np.float32), side, capital, 2 * inside[ink].mean() / capital


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
