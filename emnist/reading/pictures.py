"""Reading photographs and scans of one character into EMNIST's format."""

import io
import os
import stat

import numpy as np
import PIL
from PIL import Image, ImageFilter, ImageOps, ImageStat

from emnist.data.convert import convert
from emnist.reading.ink import find_character, running
from emnist.reading.strokes import largest_distance
from emnist.utils.environment import check_version
from emnist.utils.errors import UserError, printable

check_version("numpy", np.__version__, "1.26")
check_version("pillow", PIL.__version__, "11.3")

# Not all formats that Pillow knows: it would run an EPS file, which is a program, in an interpreter.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM")
SUFFIXES = tuple(  # of files in these formats, and in HEIC
    ".png .apng .jpg .jpeg .jpe .jfif .webp .avif .heic .heif .hif .tif .tiff .bmp .gif .ppm .pgm .pbm .pnm".split()
)
MAX_PIXELS = Image.MAX_IMAGE_PIXELS  # beyond it Pillow warns, and beyond twice as many refuses
JPEG, END_OF_JPEG = b"\xff\xd8\xff", b"\xff\xd9"
WORKING_SIDE = 512  # pixels, of the picture in which a character is looked for
MAX_SIDE = 4096  # pixels
INK_SIDE = 60  # pixels, the longer side of a character in the 128x128 images that EMNIST was made from
MIN_STROKE = 8  # pixels at INK_SIDE, as wide as MNIST's thinner strokes; a finer one would almost vanish in 28x28


def read_character(picture, name=None):
    """Read a picture of one character and convert it to EMNIST's format.

    Parameters
    ----------
    picture : path-like, bytes, binary file, PIL.Image.Image or numpy.ndarray
        An image of any size, depth and colour, dark on light or light on dark: a file's path, its bytes or the open
        file, or its pixels. Of several frames, the first is read. An array has shape (height, width), of grey levels,
        or (height, width, 3 or 4), uint8, of red, green, blue and opacity.
    name : str, optional
        What errors call the picture. Default: its path, or "the picture".

    Returns
    -------
    numpy.ndarray of uint8, shape (28, 28)
        Upright, white on black.

    Raises
    ------
    UserError
        If the file is missing, is not an image, has more pixels than Pillow accepts, or shows no character.
    """
    name = name or name_of(picture)
    ink = _find_character(open_grey(picture, name))
    if ink is None:
        raise UserError(f"{name} should show a character, but none was found: use a picture with more contrast")
    return convert_ink(ink)


def name_of(picture):
    """Return what errors and warnings call a picture: its path, or "the picture"."""
    return printable(picture) if isinstance(picture, str | os.PathLike) else "the picture"


def _find_character(image):
    small = image.copy()
    small.thumbnail((WORKING_SIDE, WORKING_SIDE))
    ink, box = find_character(np.asarray(small))
    scale = image.width / small.width
    if ink is None or scale < 1.3 or max(ink.shape) >= 2 * INK_SIDE:
        return ink
    # A character that is small in a large picture is looked at again, as sharp as it is.
    margin = max(ink.shape)
    left, top, right, bottom = (scale * (side + margin * sign) for side, sign in zip(box, (-1, -1, 1, 1)))
    near = image.crop(
        (int(max(left, 0)), int(max(top, 0)), int(min(right, image.width)), int(min(bottom, image.height)))
    )
    near.thumbnail((WORKING_SIDE, WORKING_SIDE))
    closer, _ = find_character(np.asarray(near))
    return ink if closer is None else closer


def convert_ink(ink):
    """Convert a character's ink, float (height, width) from 0 to 1, to EMNIST's format, uint8 (28, 28)."""
    return convert(_widen(_scale(ink)))


def _scale(ink):
    ink = Image.fromarray(np.rint(255 * ink).astype(np.uint8))
    scale = INK_SIDE / max(ink.size)
    width, height = (max(1, round(scale * side)) for side in ink.size)
    # Not in one step, since Pillow's versions differ in whether they begin with the width.
    wide = ink.resize((width, ink.height), Image.Resampling.BICUBIC)
    return np.asarray(wide.resize((width, height), Image.Resampling.BICUBIC))


def _widen(ink):
    """Widen the strokes, if the widest is narrower than `MIN_STROKE`."""
    missing = round(MIN_STROKE - 2 * largest_distance(np.pad(ink > 127, 1), MIN_STROKE // 2))
    return running(np.maximum, np.pad(ink, missing), missing + 1) if missing > 0 else ink


def open_grey(picture, name):
    """Open a picture, as `read_character` takes it, as a Pillow image of grey levels."""
    try:
        if not isinstance(picture, str | os.PathLike):
            return _to_grey(ImageOps.exif_transpose(_open(picture, name)))
        if not stat.S_ISREG(os.stat(picture).st_mode):
            raise UserError(f"{name} should be a file, but is a folder, pipe or device: give the path of an image")
        with open(picture, "rb") as file:
            return _to_grey(ImageOps.exif_transpose(_open(file.read(), name)))
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{name} is missing: give the path of an image") from None
    except Image.DecompressionBombError:
        raise _too_large(name) from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{name} should be an image, but is none of {', '.join(FORMATS)}: convert it") from None
    except Exception as error:  # Pillow's decoders raise all kinds of errors on damaged files
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise UserError(f"{name} should be an image, but cannot be read ({reason}): save it again") from None


def _too_large(name):
    return UserError(f"{name} should have at most {MAX_PIXELS:,} pixels, but has more: scale it down")


def _open(picture, name):
    if isinstance(picture, np.ndarray):
        image = _from_array(picture, name)
    elif isinstance(picture, Image.Image):
        image = picture
    elif isinstance(picture, bytes) or hasattr(picture, "read"):
        content = picture if isinstance(picture, bytes) else picture.read()
        if content[:3] == JPEG:  # one whose last bytes are missing is decoded as far as it goes
            content += END_OF_JPEG
        image = _open_file(io.BytesIO(content), name)
        image.draft("RGB", (MAX_SIDE, MAX_SIDE))  # a larger JPEG is decoded at this size, which is faster
    else:
        raise UserError(
            f"{name} should be a path, bytes, an open file, an array or a Pillow image, but is {type(picture).__name__}"
        )
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)
    if not all(image.size):
        raise UserError(f"{name} should show a character, but has no pixels: give another")
    return image


def _open_file(file, name):
    try:
        return Image.open(file, formats=FORMATS)
    except Image.UnidentifiedImageError:
        file.seek(8)
        if file.read(3) not in (b"hei", b"hev", b"mif", b"msf"):  # as HEIC does, the format of phones
            raise
    try:
        from pillow_heif import register_heif_opener  # imported here, since it takes a tenth of a second
    except ModuleNotFoundError:
        raise UserError(
            f"{name} is in HEIC format, which needs pillow-heif: run `pip install pillow-heif`, or convert it"
        ) from None
    register_heif_opener()
    return Image.open(file, formats=["HEIF"])


def _from_array(array, name):
    if array.ndim == 2 and array.dtype.kind in "buif":
        return Image.fromarray(array if array.dtype == np.uint8 else array.astype(np.float32))
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8:
        return Image.fromarray(array)
    raise UserError(
        f"{name} should be an array (height, width) of numbers or (height, width, 3 or 4) of uint8, "
        f"but is {array.shape} of {array.dtype}"
    )


def _to_grey(image):
    """Return an image of grey levels, of which ink and paper differ as much as they do in colour."""
    if image.mode.startswith(("I", "F")):  # 16 bits or more, of which scanners use different ranges
        levels = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        levels -= min(levels.min(), 0)  # not the least level of all: the grain of a blank page would look like ink
        return Image.fromarray(np.rint(levels * (255 / (levels.max() or 1))).astype(np.uint8))
    if image.has_transparency_data:
        image = _fill_transparency(image.convert("RGBA"))
    if image.mode in ("1", "L"):
        return image.convert("L")
    image = image.convert("RGB")
    small = image.copy()
    small.thumbnail((200, 200))
    apart = np.asarray(small, float) - np.asarray(small.filter(ImageFilter.BoxBlur(max(small.size) / 8)), float)
    weights = np.linalg.eigh(np.tensordot(apart, apart, ((0, 1), (0, 1))))[1][:, -1]  # the largest variance
    weights *= np.sign(weights.sum()) / np.abs(weights).sum()
    if weights.min() > 0.15:
        return image.convert("L")
    return image.convert("L", (*weights, -255 * np.minimum(weights, 0).sum()))


def _fill_transparency(image):
    """Fill transparent pixels with the grey of the picture's paper or, if it has none, a contrast to the ink."""
    grey, opacity = image.convert("LA").split()
    opaque = ImageStat.Stat(grey, mask=opacity)
    has_paper = 2 * opaque.count[0] > grey.width * grey.height
    paper = opaque.median[0] if has_paper else 255 * (opaque.mean[0] < 128)
    return Image.composite(grey, Image.new("L", grey.size, paper), opacity)
