"""Conversion of a grey image of one character to EMNIST's 28x28 format."""

import numpy as np
from PIL import Image

from emnist.utils.errors import UserError

SIDE = 28  # pixels
BORDER = 2  # pixels left clear on every side
BLUR = 1  # pixels, standard deviation
PADDING = 4 * BLUR  # pixels around the image; the filter spreads ink as far
WEIGHTS = np.exp(-0.5 / BLUR**2 * np.arange(-PADDING, PADDING + 1) ** 2)
WEIGHTS /= WEIGHTS.sum()
INK_THRESHOLD = 0.1  # fraction of the brightest pixel; anything fainter is the tail of the blur, or paper


def convert(image):
    """Blur, crop, centre and scale one character.

    Parameters
    ----------
    image : numpy.ndarray of uint8, shape (height, width)
        White strokes on black, at least 1x1; EMNIST's originals are 128x128.

    Returns
    -------
    numpy.ndarray of uint8, shape (28, 28)
        Centred; the longer side of the ink spans 24 pixels, and the brightest pixel is 255.

    Raises
    ------
    UserError
        If the image is not a two-dimensional uint8 array, or is blank.

    References
    ----------
    Cohen, G., Afshar, S., Tapson, J. and van Schaik, A. (2017). EMNIST: an extension of MNIST to handwritten
    letters. arXiv:1702.05373, figure 1.

    Examples
    --------
    >>> convert(np.full((128, 40), 255, np.uint8)).shape
    (28, 28)
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise UserError(
            "a character should be a two-dimensional uint8 image, but is "
            f"{image.ndim}-dimensional {image.dtype}: convert it to grey levels from 0 to 255"
        )
    if not image.any():
        raise UserError("a character should be white on black, but the image is blank: use one that shows a character")

    # The image is padded so that ink at its edge is blurred like any other.
    return centre(_blur(_blur(np.pad(image, 2 * PADDING)).T).T)


def centre(blurred):
    """Crop, centre and scale a blurred character (float32, two-dimensional); the second half of `convert`."""
    character = blurred[extent(blurred >= INK_THRESHOLD * blurred.max())]

    side = max(character.shape)
    before = [(side - length) // 2 for length in character.shape]
    square = np.zeros((side, side), np.float32)
    square[before[0] :, before[1] :][: character.shape[0], : character.shape[1]] = character
    content = SIDE - 2 * BORDER
    small = np.asarray(Image.fromarray(square).resize((content, content), Image.Resampling.BICUBIC))
    # Bicubic interpolation overshoots, so the range is scaled and clipped after it.
    converted = np.zeros((SIDE, SIDE), np.uint8)
    converted[BORDER:-BORDER, BORDER:-BORDER] = np.rint(np.clip(small / small.max(), 0, 1) * 255)
    return converted


def extent(mask):
    """Return the slices of the rows and of the columns in which a mask (height, width) is not empty."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _blur(image):
    """Filter along the first axis, as `scipy.ndimage.gaussian_filter` does; SciPy takes long to import.

    Its order of the sums and its precision are kept, so that the values are the same to the last bit.
    """
    image, length = image.astype(float), len(image) - 2 * PADDING
    blurred = WEIGHTS[PADDING] * image[PADDING : PADDING + length]
    for n in range(PADDING):
        pair = image[n : n + length] + image[2 * PADDING - n :][:length]
        pair *= WEIGHTS[n]
        blurred += pair
    return blurred.astype(np.float32)
