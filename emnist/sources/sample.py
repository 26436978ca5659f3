"""The rendered sample: the 62 classes as made-up writers form them, drawn from handwriting fonts.

It stands in where EMNIST cannot be fetched; its figures are never EMNIST's.
"""

import functools
from importlib import resources

import numpy as np
from joblib import Parallel, delayed
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, map_coordinates
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from emnist.classes import CHARACTERS
from emnist.convert import convert
from emnist.progress import progress

LOWER = "abcdefghijklmnopqrstuvwxyz"

# Package, file within it, and the characters it lacks or forms as no hand does.
FONTS = [
    ("font_amatic_sc", "AmaticSC-Regular.ttf", LOWER),
    ("fontpkg_caveat", "Caveat[wght].ttf", ""),
    ("fontpkg_dancing_script", "DancingScript[wght].ttf", ""),
    ("fontpkg_delius", "Delius-Regular.ttf", ""),
    ("fontpkg_indie_flower", "IndieFlower-Regular.ttf", ""),
    ("fontpkg_kalam", "Kalam-Light.ttf", ""),
    ("fontpkg_permanent_marker", "PermanentMarker-Regular.ttf", LOWER),
    ("fontpkg_satisfy", "Satisfy-Regular.ttf", ""),
    ("fontpkg_shadows_into_light", "ShadowsIntoLight.ttf", ""),
    ("fontpkg_zeyada", "Zeyada.ttf", ""),
]

# Thousands of images of each class in EMNIST ByClass, in the order of CHARACTERS (Cohen et al., 2017).
BYCLASS = [40.3] * 10 + [
    7.5, 4.5, 11.8, 5.3, 5.8, 10.6, 3.0, 3.7, 14.0, 4.4, 2.9, 5.9, 10.5,
    9.6, 29.1, 9.7, 3.0, 5.9, 24.3, 11.4, 14.6, 5.4, 5.5, 3.2, 5.5, 3.2,
    11.7, 6.0, 3.3, 11.9, 28.7, 3.0, 4.3, 10.2, 3.2, 2.2, 3.0, 17.9, 3.1,
    13.3, 3.2, 2.8, 3.5, 16.4, 3.1, 21.2, 3.3, 3.4, 3.2, 3.3, 2.7, 3.2,
]  # fmt: skip
FLOOR = 8.0  # thousands: a rarer class gets as many, since a sample is far smaller than EMNIST

IMAGES_PER_WRITER = 25
CAPITAL = 64  # pixels, height of a capital H where outlines are measured
INK_SIDE = 60  # pixels, the longer side of a character before it is warped
CANVAS = 100  # pixels, leaves a warped character room
KNOTS = 4  # a side, of the elastic grid

# Standard deviations of what varies from writer to writer, and of what varies within one writer's hand.
BETWEEN = dict(rotation=0.07, slant=0.20, aspect=0.15, elastic=0.09)
WITHIN = dict(rotation=0.06, slant=0.07, aspect=0.10, elastic=0.09)
PEN = (0.030, 0.095)  # half the stroke's width, in heights of a capital
PRESSURE = 0.15  # of the pen, standard deviation within an image


@functools.cache
def _font(package, file):
    data = resources.files(package) / "files" / file
    with resources.as_file(data) as path:
        font = ImageFont.truetype(str(path), CAPITAL * 2, layout_engine=ImageFont.Layout.BASIC)
        if "[wght]" in file:
            font.set_variation_by_axes([min(axis["minimum"] for axis in font.get_variation_axes())])
        return font


@functools.cache
def _outline(font, character):
    """Signed distance to the outline, positive in the ink, in heights of a capital, and half the stroke's width."""
    face = _font(*FONTS[font][:2])
    capital = face.getbbox("H", anchor="ls")
    unit = -capital[1]
    left, top, right, bottom = face.getbbox(character, anchor="ls")
    side = max(right - left, bottom - top)
    margin = side // 2
    size = side + 2 * margin
    glyph = Image.new("L", (size, size))
    corner = ((size - right - left) / 2, (size - bottom - top) / 2)
    ImageDraw.Draw(glyph).text(corner, character, fill=255, font=face, anchor="ls")
    ink = np.asarray(glyph) > 127
    inside = distance_transform_edt(ink)
    distance = (inside - distance_transform_edt(~ink)) / unit
    # Across a stroke of even width the distance to its edge averages a quarter of the width.
    half_width = 2 * inside[ink].mean() / unit
    return distance.astype(np.float32), side, unit, half_width


def _bumps():
    """Weights with which elastic knots displace pixels: Gaussians, one a knot, so that the field is smooth."""
    knots = np.linspace(-1, 1, KNOTS)
    pixels = np.linspace(-1, 1, CANVAS) * CANVAS / INK_SIDE
    return np.exp(-(((pixels[:, None] - knots) / (knots[1] - knots[0])) ** 2) / 2 * 1.5)


BUMPS = _bumps()


def _field(knots):
    return np.einsum("yj,...jk,xk->...yx", BUMPS, knots, BUMPS, optimize=["einsum_path", (0, 1), (0, 1)])


def _draw(rng, font, character, style, knots, pen):
    distance, side, unit, half_width = _outline(font, character)
    rotation, slant, aspect = (style[key] + rng.normal(0, WITHIN[key]) for key in ("rotation", "slant", "aspect"))
    y, x = np.meshgrid(*[(np.arange(CANVAS) - (CANVAS - 1) / 2) / (INK_SIDE / 2)] * 2, indexing="ij")
    bend = _field(knots + rng.normal(0, WITHIN["elastic"], (2, KNOTS, KNOTS)))
    x, y = x + bend[0], y + bend[1]
    cos, sin = np.cos(rotation), np.sin(rotation)
    x, y = cos * x + sin * y, cos * y - sin * x
    x = (x + slant * y) * np.exp(aspect / 2)
    y = y * np.exp(-aspect / 2)
    centre = (distance.shape[0] - 1) / 2
    sampled = map_coordinates(distance, [centre + y * side / 2, centre + x * side / 2], order=1, mode="nearest")
    pen = pen * np.exp(rng.normal(0, 0.1)) * np.sqrt(side / unit)
    pen = max(pen, 0.6 * half_width)
    pressure = 1 + PRESSURE * _field(rng.normal(0, 1, (KNOTS, KNOTS)))
    return convert(np.where(sampled > half_width - pen * pressure, 255, 0).astype(np.uint8))


def _write(seed, labels):
    """The images of one writer: each character in the way of one font, all in one slant, width and pen."""
    rng = np.random.default_rng(seed)
    style = {key: rng.normal(0, BETWEEN[key]) for key in ("rotation", "slant", "aspect")}
    pen = rng.uniform(*PEN)
    choice = [rng.choice([i for i, font in enumerate(FONTS) if c not in font[2]]) for c in CHARACTERS]
    knots = rng.normal(0, BETWEEN["elastic"], (len(CHARACTERS), 2, KNOTS, KNOTS))
    return np.stack([_draw(rng, choice[k], CHARACTERS[k], style, knots[k], pen) for k in labels])


def _labels(count, rng):
    weights = np.maximum(BYCLASS, FLOOR)
    share = count * weights / weights.sum()
    counts = np.floor(share).astype(int)
    counts[np.argsort(counts - share, kind="stable")[: count - counts.sum()]] += 1
    return rng.permutation(np.repeat(np.arange(len(CHARACTERS), dtype=np.uint8), counts))


def render(train, test, seed, workers=-1):
    """Render a sample, the same one whatever the number of processes.

    Parameters
    ----------
    train, test : int
        Images of each part; made-up writers appear in one part only.
    seed : int
    workers : int
        Processes to render with, as in joblib: -1 is one a core.

    Returns
    -------
    train_images : numpy.ndarray of uint8, shape (train, 28, 28)
        Upright, white on black.
    train_labels : numpy.ndarray of uint8, shape (train,)
        Indices into `CHARACTERS`, in proportions like ByClass's.
    test_images, test_labels
        The same for the test part.
    """
    parts = []
    for count, sequence in zip((train, test), np.random.SeedSequence(seed).spawn(2)):
        labels = _labels(count, np.random.default_rng(sequence))
        pages = np.split(labels, range(IMAGES_PER_WRITER, count, IMAGES_PER_WRITER))
        tasks = (delayed(_write)(*task) for task in zip(sequence.spawn(len(pages)), pages))
        written = Parallel(n_jobs=workers, return_as="generator")(tasks)
        parts += [np.concatenate(list(progress(written, "rendering", len(pages), "writer"))), labels]
    return tuple(parts)


def digits():
    """Real handwritten digits that come with scikit-learn, in MNIST's form.

    Returns
    -------
    train_images, train_labels, test_images, test_labels : numpy.ndarray of uint8
        1,437 and 360 images of 28x28 pixels, white on black, stratified; 20x20 pixels of content, as MNIST has.
    """
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
