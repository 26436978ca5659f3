"""The rendered sample: characters by synthetic writers.

It replaces EMNIST where EMNIST cannot be downloaded; results on it are not results on EMNIST.
"""

import csv
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from emnist.data import idx
from emnist.data.classes import CHARACTERS, TITLES, from_byclass
from emnist.data.convert import SIDE, centre
from emnist.data.datasets import EMNIST_PARTS, paths
from emnist.data.fonts import FONTS, code_points, font_path, is_one_character
from emnist.sources._digits import write_digits
from emnist.utils.errors import UserError
from emnist.utils.progress import log, progress
from emnist.utils.schema import Count, Section, Seed
from emnist.utils.workers import run_in_workers

TITLE = "the rendered sample"

FORMS_FILE = Path(__file__).with_name("sample_forms.csv")


def load_forms():
    """Load the forms of each class: a dict of character to list of (character, form, share).

    A form is the glyph of that character in a font's file, or the strokes of a pen: points on a ten by ten grid, column
    then row from the top left, which are joined by a smooth curve. A repeated point is a corner, and a slash starts a
    new stroke. Its share of the class's writers follows EMNIST's; ``python -m benchmarks.sample fit`` estimates it.
    """
    forms = {character: [] for character in CHARACTERS}
    with FORMS_FILE.open(newline="") as file:
        for row in csv.DictReader(file):
            forms[row["class"]].append((row["character"], row["form"], float(row["share"])))
    return forms


FORMS = load_forms()

# Approximate number of images of each class in EMNIST ByClass, in thousands and in the order of CHARACTERS. The ten
# digits, which differ little, have their mean.
BYCLASS_COUNTS = [40.3] * 10 + [
    7.5, 4.5, 11.8, 5.3, 5.8, 10.6, 3.0, 3.7, 14.0, 4.4, 2.9, 5.9, 10.5,
    9.6, 29.1, 9.7, 3.0, 5.9, 24.3, 11.4, 14.6, 5.4, 5.5, 3.2, 5.5, 3.2,
    11.7, 6.0, 3.3, 11.9, 28.7, 3.0, 4.3, 10.2, 3.2, 2.2, 3.0, 17.9, 3.1,
    13.3, 3.2, 2.8, 3.5, 16.4, 3.1, 21.2, 3.3, 3.4, 3.2, 3.3, 2.7, 3.2,
]  # fmt: skip
MIN_CLASS_COUNT = 4.0  # thousands; a rarer class is raised to this number, because a sample is smaller than EMNIST

# Mean of log(width / height) of the ink of each class in EMNIST's training images. Each form is stretched to it, but for
# the classes of OWN_ASPECT, whose forms differ too much for one mean.
ASPECTS = dict(zip(CHARACTERS, [
    -0.10, -0.94, -0.03, -0.22, -0.24, -0.01, -0.31, -0.28, -0.27, -0.41,
    -0.07, -0.15, -0.01, -0.06, 0.01, -0.24, -0.06, -0.12, -0.85, -0.06, -0.12, -0.25, 0.39,
    0.12, -0.04, -0.30, -0.10, -0.05, -0.12, 0.05, 0.01, -0.16, 0.21, -0.18, -0.41, 0.10,
    0.19, -0.42, 0.02, -0.29, 0.08, -0.29, -0.33, -0.44, -0.86, -0.48, -0.21, -0.96, 0.46,
    0.11, -0.06, -0.23, -0.32, 0.00, -0.10, -0.26, 0.11, -0.05, 0.40, -0.08, -0.33, 0.21,
]))  # fmt: skip
OWN_ASPECT = "1Iijl"

IMAGES_PER_WRITER = 25
WRITERS_AT_ONCE = 400  # largest number of writers whose images are in memory
FONT_SIZE = 128  # size in pixels at which the forms of a font are rasterised
CAPITAL_HEIGHT = 92  # pixels of a capital that a pen draws; fonts have their own height
CANVAS = 48  # side of the canvas in pixels
CANVAS_SCALE = 1.3  # side of the canvas in longer sides of the character, because distortion enlarges the character
KNOTS = 4  # random displacements along each side of their grid
ROUGH_KNOTS = 12  # small variations of the stroke's width along each side of their grid

# Standard deviations between writers and within a writer. Aspect is the logarithm of width to height, elastic is the
# displacement in halves of the longer side, and slant is the shear to the right.
BETWEEN = {"aspect": 0.15, "elastic": 0.07, "slant": 0.17}
WITHIN = {"aspect": 0.10, "elastic": 0.06, "slant": 0.08}
SLANT = 0.09  # mean of the shear
ASPECT_BY_SLANT = 0.08  # what the slant adds to the logarithm of width to height, on average
PEN = (0.062, 0.098)  # half a stroke's width, in longer sides of a character as large as a capital
SOFTNESS = (0.042, 0.098)  # width of a stroke's grey edge, in the unit of PEN
SIZE_EXPONENT = 0.4  # exponent by which pen and edge are wider in a small character, relative to the character
PEN_JITTER = 0.1  # standard deviation of the logarithm of the pen from image to image
PRESSURE = 0.12  # standard deviation of the pen along a stroke
ROUGHNESS = 0.1  # standard deviation of the pen over short distances
CONTRAST = 1.06  # factor of the grey levels; it makes the middle of a stroke white, as in EMNIST


class Options(Section):
    """Numbers of training and test images, and the seed of all random numbers of the sample."""

    train: Count
    test: Count
    seed: Seed


def obtain(options, raw, dataset="byclass", with_digits=True):
    """Write the rendered sample and, if `with_digits`, scikit-learn's digits to the folder `raw`, four files each."""
    for part, (labels, pages) in zip(EMNIST_PARTS, render(**dict(options), dataset=dataset)):
        to_images, to_labels = paths(raw, part)
        idx.write_image_blocks(to_images, len(labels), pages, transposed=True)
        idx.write_labels(to_labels, labels)
    if with_digits:
        write_digits(raw)
    if dataset == "byclass":
        return TITLE
    return f"{TITLE} of {TITLES[dataset] if isinstance(dataset, str) else f'{len(dataset)} characters'}"


def plan(dataset):
    """List which characters are drawn of a data set, the class of each, and its weight; refuse what no font has.

    Of a class that stands for both cases of a letter, both are drawn. Classes are as frequent as in ByClass, but those of
    `balanced` and one's own are equally frequent.
    """
    if isinstance(dataset, str):
        labels = from_byclass(dataset)
        drawn, weights = np.flatnonzero(labels >= 0), np.maximum(BYCLASS_COUNTS, MIN_CLASS_COUNT)
        if dataset == "balanced":
            weights = weights / np.bincount(labels, weights)[labels]
        return [CHARACTERS[k] for k in drawn], labels[drawn].astype(np.uint8), weights[drawn]
    if lacking := [character for character in dataset if not forms_of(character)]:
        raise UserError(
            f"source: sample renders characters that one of its fonts has ({', '.join(FONTS)}), but none has "
            f"{', '.join(lacking[:20])}: leave them out, or use `source: folder` with pictures of them"
        )
    return list(dataset), np.arange(len(dataset), dtype=np.uint8), np.ones(len(dataset))


def forms_of(character):
    """List the forms of a character as `load_forms` does; of another than ByClass's, its glyph in each font that has it."""
    return FORMS.get(character) or _glyphs_of(character)


@functools.cache
def _glyphs_of(character):
    if not is_one_character(character) or len(character) > 1 and not features.check("raqm"):
        return []
    fonts = [file for file in FONTS if code_points(font_path(file)).issuperset(map(ord, character))]
    return [(character, file, 1.0) for file in fonts if _load_font(file, len(character)).getmask(character).getbbox()]


def render(train, test, seed, workers=None, dataset="byclass"):
    """Render a sample; the result does not depend on the number of processes.

    Parameters
    ----------
    train, test : int
        Numbers of training and test images. No writer is in both parts.
    seed : int
    workers : int, optional
        Number of processes, one for each core by default.
    dataset : str or list of str
        As in `emnist.data.classes`.

    Yields
    ------
    labels : numpy.ndarray of uint8, shape (train,), then (test,)
        Of the data set, approximately as unbalanced as ByClass.
    pages : iterable of numpy.ndarray of uint8, shape (N, 28, 28)
        The images, one writer's after another's: upright, white on black, as `emnist.data.convert.convert` returns them.

    References
    ----------
    Simard, P., Steinkraus, D. and Platt, J. (2003). Best practices for convolutional neural networks applied
    to visual document analysis. ICDAR. (Elastic distortion.)

    Cohen, G., Afshar, S., Tapson, J. and van Schaik, A. (2017). EMNIST: an extension of MNIST to handwritten
    letters. arXiv:1702.05373. (Class frequencies and conversion.)
    """
    characters, classes, weights = plan(dataset)
    for name, tasks in zip(("training", "test"), writers(train, test, seed, weights)):
        labels = classes[np.concatenate([page for _, page in tasks])]
        log(f"rendering {len(labels):,} {name} images by {len(tasks):,} synthetic writers")
        tasks = [(*task, characters) for task in tasks]
        yield labels, progress(_render_pages(tasks, workers), "rendering", len(tasks), "writers")


def _render_pages(tasks, workers):
    """Yield the pages of all writers in order, with few of them in memory."""
    for start in range(0, len(tasks), WRITERS_AT_ONCE):
        some = dict(enumerate(tasks[start : start + WRITERS_AT_ONCE]))
        pages = dict(run_in_workers("rendering", render_writer, some, workers, "close other programs"))
        yield from (pages[number] for number in some)


def writers(train, test, seed, weights=np.maximum(BYCLASS_COUNTS, MIN_CLASS_COUNT)):
    """Divide the labels of a sample among writers; return for both parts the arguments of `render_writer` for each."""
    parts = []
    for count, sequence in zip((train, test), np.random.SeedSequence(seed).spawn(2)):
        share = count * weights / weights.sum()
        counts = np.floor(share).astype(int)
        counts[np.argsort(counts - share, kind="stable")[: count - counts.sum()]] += 1
        labels = np.repeat(np.arange(len(weights), dtype=np.uint8), counts)
        np.random.default_rng(sequence).shuffle(labels)
        pages = np.split(labels, range(IMAGES_PER_WRITER, count, IMAGES_PER_WRITER))
        parts.append(list(zip(sequence.spawn(len(pages)), pages)))
    return parts


def render_writer(seed, labels, characters=CHARACTERS):
    """Render characters by one writer, who has one form of each character, one width and one pen.

    `labels` (uint8, shape (N,)) are indices into `characters`, and `seed` (numpy.random.SeedSequence) is the writer's.
    Returned are the images, uint8 of shape (N, 28, 28).
    """
    rng = np.random.default_rng(seed)
    count, classes = len(labels), len(characters)
    chosen = rng.random(classes)
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
        choices = forms_of(characters[label])
        shares = np.cumsum([share for *_, share in choices])
        character, form, _ = choices[np.searchsorted(shares, chosen[label] * shares[-1], side="right")]
        form = outline(character, form)
        aspect = aspects[k]
        if characters[label] in ASPECTS and characters[label] not in OWN_ASPECT:
            aspect += ASPECTS[characters[label]] - ASPECT_BY_SLANT - form.aspect
        ink = _draw(form, aspect, slants[k], positions[k], pens[k], pressure[k], softness)
        images[k] = np.minimum(CONTRAST * centre(ink), 255)
    return images


def _draw(form, aspect, slant, positions, pen, pressure, softness):
    """Draw an outline at distorted positions (2, CANVAS, CANVAS): grey levels from 0 to 1."""
    from scipy.ndimage import map_coordinates  # imported here, since every stage loads this module

    # The form is stretched, then slanted, then scaled so that its longer side fits the canvas.
    stretch = np.exp(aspect / 2)
    width, height = stretch * min(np.exp(form.aspect), 1), min(np.exp(-form.aspect), 1) / stretch
    scale = max(width + abs(slant) * height, height)
    y, x = positions * scale
    x, y = (x + slant * y) / stretch, y * stretch
    middle = (len(form.distance) - 1) / 2
    sampled = map_coordinates(form.distance, middle + form.side / 2 * np.stack([y, x]), order=1, mode="nearest")
    # A font's own stroke is not thinned so far that it would break.
    relative = form.capital / form.side / scale
    wider = relative**SIZE_EXPONENT
    pen, softness = max(pen * wider, 0.6 * form.half_width * relative), softness * wider
    return np.clip(((sampled - form.half_width) * relative + pen * pressure) / softness + 0.5, 0, 1)


PIXELS = CANVAS_SCALE * (2 * np.arange(CANVAS) + 1 - CANVAS) / CANVAS


def _interpolate(knots):
    """Interpolate values at a grid of knots (..., K, K) by Gaussian weights, as in Simard et al."""
    grid = np.linspace(-1, 1, knots.shape[-1])
    weights = np.exp(-0.75 * ((PIXELS[:, None] - grid) / (grid[1] - grid[0])) ** 2)
    return weights @ knots @ weights.T


class Outline(NamedTuple):
    """The outline of a form, by the distance to it, and the form's measures."""

    distance: np.ndarray  # float32, (2 * side, 2 * side): positive inside the ink, in heights of a capital
    side: int  # the form's longer side, in pixels
    capital: float  # the height of a capital, in pixels
    half_width: float  # half the stroke's width, in heights of a capital
    aspect: float  # the logarithm of width to height


@functools.cache
def outline(character, form):
    """Compute the outline of a form of a character, both as in `load_forms`."""
    from scipy.ndimage import distance_transform_edt

    ink, side, capital = _rasterise_glyph(form, character) if form in FONTS else _rasterise_strokes(form)
    inside = distance_transform_edt(ink)
    distance = (inside - distance_transform_edt(~ink)) / capital
    # Across a stroke of constant width, the mean distance to its edge is a quarter of the width.
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    aspect = np.log((np.ptp(columns) + 1) / (np.ptp(rows) + 1))
    return Outline(distance.astype(np.float32), side, capital, 2 * inside[ink].mean() / capital, aspect)


@functools.cache
def _load_font(file, code_points=1):
    # Letters are joined by Raqm.
    layout = ImageFont.Layout.BASIC if code_points == 1 else ImageFont.Layout.RAQM
    font = ImageFont.truetype(font_path(file), FONT_SIZE, layout_engine=layout)
    if "[wght]" in file:
        font.set_variation_by_axes([axis["minimum"] for axis in font.get_variation_axes()])
    return font


def _rasterise_glyph(file, character):
    font = _load_font(file, len(character))
    left, top, right, bottom = font.getbbox(character, anchor="ls")
    side = max(right - left, bottom - top)
    canvas = Image.new("L", (2 * side, 2 * side))
    corner = side - (left + right) / 2, side - (top + bottom) / 2
    ImageDraw.Draw(canvas).text(corner, character, fill=255, font=font, anchor="ls")
    return np.asarray(canvas) > 127, side, -font.getbbox("H", anchor="ls")[1]


def _rasterise_strokes(strokes):
    from scipy.interpolate import CubicHermiteSpline

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
