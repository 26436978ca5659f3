"""A person's picture of one character, made into what EMNIST would have."""

import warnings

import numpy as np
from PIL import Image, ImageOps, ImageStat
from scipy import ndimage

from emnist.data.convert import convert
from emnist.utils.errors import UserError

# Not all that Pillow knows: EPS, for one, is a program that it would hand to an interpreter.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM")
WORKING_SIDE = 512  # pixels; photographs are first reduced to it
INK_SIDE = 60  # pixels, the longer side of a character on the 128x128 forms that EMNIST was made from
FAINTEST = 20  # grey levels of 255 between paper and ink
EDGE, CORE = 0.2, 0.5  # of the darkest ink: a stroke is all that exceeds EDGE around some that exceeds CORE
SPECK = 0.02  # of the largest stroke's area: what is smaller is dust
PEN = 8  # pixels at INK_SIDE, as wide as MNIST's thinner strokes; a fine pen would all but vanish in 28x28


def read_character(path):
    """Read a picture of one character and make of it what EMNIST would have.

    Parameters
    ----------
    path : path-like
        An image file: any size, depth and colour, dark on light or light on dark.

    Returns
    -------
    numpy.ndarray of uint8, shape (28, 28)

    Raises
    ------
    UserError
        If the file is missing, is no image, is larger than Pillow holds for safe, or shows nothing.
    """
    ink = find_ink(_read_levels(path))
    if ink is None:
        raise UserError(
            f"{path} should show a character, but is all one colour, or nearly: give a picture with more contrast"
        )
    return convert(ink)


def find_ink(levels):
    """Separate a character from what it is written on.

    Parameters
    ----------
    levels : numpy.ndarray of float, shape (height, width)
        Grey levels, 0 to 255, dark on light or light on dark; the light may fall off evenly to one side.

    Returns
    -------
    numpy.ndarray of uint8, shape (height, width), or None
        White on black; the longer side of the ink is 60 pixels, the widest stroke at least 8. None if nothing
        stands out.
    """
    # Paper outweighs ink, also in a picture cut close to a heavy stroke once its margins count more.
    margin = max(levels.shape) // 5
    framed = np.pad(levels, margin, mode="edge")
    contrast = framed - _paper(framed)
    ink = contrast * np.sign((contrast**3).sum())  # the rarer side has the longer tail
    ink = ink[margin:, margin:][: levels.shape[0], : levels.shape[1]]
    if ink.max() < FAINTEST:
        return None
    ink /= ink.max()
    strokes, number = ndimage.label(ink > EDGE, structure=np.ones((3, 3)))
    dark = ndimage.maximum(ink, strokes, range(number + 1)) > CORE
    areas = np.bincount(strokes.ravel()) * dark
    ink[(areas <= SPECK * areas.max())[strokes]] = 0
    rows, columns = ndimage.find_objects((ink > 0).astype(int))[0]
    return _widen(_scale(ink[rows, columns]))


def _scale(ink):
    ink = Image.fromarray(np.rint(255 * ink).astype(np.uint8))
    scale = INK_SIDE / max(ink.size)
    size = [max(1, round(scale * side)) for side in ink.size]
    return np.asarray(ink.resize(size, Image.Resampling.BICUBIC))


def _widen(ink):
    """Widen the strokes, if the widest is narrower than `PEN`."""
    ink = np.pad(ink, PEN)
    width = 2 * ndimage.distance_transform_edt(ink > 127).max()
    return ndimage.grey_dilation(ink, size=1 + max(0, round(PEN - width)))


def _paper(levels):
    """Fit a plane, by least squares: the light on the paper, since ink covers little of it."""
    y, x = np.indices(levels.shape).reshape(2, -1)
    terms = np.stack([np.ones_like(x), x, y], axis=1).astype(float)
    return (terms @ np.linalg.lstsq(terms, levels.ravel())[0]).reshape(levels.shape)


def _read_levels(path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return _levels(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: give the path of an image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(
            f"{path} should have at most {Image.MAX_IMAGE_PIXELS:,} pixels, but has more: scale it down"
        ) from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{path} should be an image, but is none of {', '.join(FORMATS)}: convert it") from None
    except Exception as error:  # on damaged files Pillow's decoders raise whatever comes up
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise UserError(f"{path} should be an image, but cannot be read ({reason}): save it anew") from None


def _levels(image):
    """Give an image's grey levels as floats, 0 to 255, at most `WORKING_SIDE` pixels a side."""
    if image.mode.startswith(("I", "F")):  # 16 bits and more, of which scanners use any range
        levels = np.nan_to_num(np.asarray(image, float), posinf=0, neginf=0)
        levels -= levels.min()
        image = Image.fromarray((levels * (255 / (levels.max() or 1))).astype(np.float32))
    elif image.has_transparency_data:
        image = _on_paper(image.convert("RGBA"))
    else:
        image = image.convert("L")
    image.thumbnail((WORKING_SIDE, WORKING_SIDE))
    return np.asarray(image, float)


def _on_paper(image):
    """Fill transparency: with the picture's own paper if it has any, else with one that shows the ink."""
    grey, opacity = image.convert("LA").split()
    drawn = ImageStat.Stat(grey, mask=opacity)
    has_paper = 2 * drawn.count[0] > grey.width * grey.height
    paper = drawn.median[0] if has_paper else 255 * (drawn.mean[0] < 128)
    return Image.composite(grey, Image.new("L", grey.size, paper), opacity)
