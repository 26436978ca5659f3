"""Accuracy on test images that are drawn again as pictures, beside the accuracy on the images themselves.

    python -m benchmarks.pictures FOLDER MNIST_FOLDER

Each image is enlarged to 280x280 pixels, drawn black on white as a drawing
program would, and saved as PNG. That is read as `emnist predict` reads a picture. MNIST's images are classified among
the ten digits, the others among 62 characters.

- enlarged: with bicubic interpolation
- outlined: enlarged, then cut at half of the white: sharp edges, the widths of the original strokes
- traced: the middle lines of the strokes, followed by a round pen that is everywhere as wide as the stroke
- one pen: the same by one pen for each image, as wide as the median of its strokes
- pen N: the same by a pen of N pixels

A stroke is what is brighter than half of the brightest near it, so that faint strokes do not break.
"""

import io

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks import load_both, make_parser_of_pictures, print_header, print_row
from emnist.reading.network import load_network
from emnist.reading.pictures import read_character
from emnist.utils.errors import UserError, run_cli

SIDE = 280
HALF = SIDE // 2  # where strokes are traced, which is faster
PENS = (12, 20, 28)
REACH = 17  # pixels of HALF, in which a stroke's brightness is compared: less than two of the 28
FAINT, VISIBLE = 60, 100  # grey levels: what a stroke has everywhere, and somewhere
MIN_AREA = 40  # pixels of HALF, half of one of the 28: less is no stroke


def main():
    options = make_parser_of_pictures(__doc__, "FOLDER", "MNIST_FOLDER", what="images of each, at random").parse_args()
    network = load_network(options.model)
    ways = ["enlarged", "outlined", "traced", "one pen", *(f"pen {width}" for width in PENS)]
    print_header("accuracy in %", "images", "as they are", *ways)
    for name, images, labels, classes in load_both(options.folder, options.mnist_folder, options.part):
        chosen = np.sort(np.random.default_rng(0).permutation(len(labels))[: options.count])
        images, labels = images[chosen], labels[chosen]
        read = [[read_or_black(as_png(picture)) for picture in drawings(image)] for image in images]
        drawn = [images, *map(np.stack, zip(*read))]
        predicted = [network.probabilities(each)[:, :classes].argmax(axis=1) for each in drawn]
        print_row(name, f"{len(labels):,}", *(f"{100 * np.mean(each == labels):.2f}" for each in predicted))


def as_png(levels):
    """Save a picture, white on black, as PNG with the colours inverted; return its bytes."""
    file = io.BytesIO()
    Image.fromarray(255 - levels).save(file, format="PNG")
    return file.getvalue()


def read_or_black(picture):
    """Read a picture as `emnist predict` does: uint8 (28, 28), black if it shows no character."""
    try:
        return read_character(picture)
    except UserError:
        return np.zeros((28, 28), np.uint8)


def enlarge(image):
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def drawings(image):
    """Draw an image in each way, white on black."""
    large = enlarge(image)
    points, widths = trace(image)
    pens = [widths, np.median(widths), *PENS]
    return [large, 255 * np.uint8(large > 127), *(draw(points, np.broadcast_to(pen, len(points))) for pen in pens)]


def trace(image):
    """Find the middle lines of an image's strokes.

    Returns
    -------
    points : numpy.ndarray, shape (N, 2)
        Rows and columns in an image of `SIDE` pixels.
    widths : numpy.ndarray, shape (N,)
        Of the stroke at each point.
    """
    levels = np.asarray(Image.fromarray(image).resize((HALF, HALF), Image.Resampling.BICUBIC)).astype(float)
    mask = (levels > ndimage.maximum_filter(levels, REACH) / 2) & (levels > FAINT)
    regions, count = ndimage.label(mask, np.ones((3, 3)))
    visible = np.isin(np.arange(count + 1), regions[levels > VISIBLE]) & (np.bincount(regions.ravel()) > MIN_AREA)
    visible[0] = False
    mask = visible[regions]
    line = thin(mask)
    distances = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    scale = SIDE / HALF
    return scale * (np.argwhere(line) + 0.5), scale * (2 * distances[line] - 1)


def draw(points, widths):
    """Draw by a round pen; its edge is soft."""
    scale = 2  # for the soft edge
    canvas = Image.new("L", (scale * SIDE, scale * SIDE))
    pen = ImageDraw.Draw(canvas)
    for (row, column), radius in zip(scale * points, scale * widths / 2):
        pen.ellipse((column - radius, row - radius, column + radius, row + radius), fill=255)
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX))


def thin(mask):
    """Thin strokes to lines of one pixel.

    References
    ----------
    Zhang, T. Y. and Suen, C. Y. (1984). A fast parallel algorithm for thinning digital patterns. Communications of the
    ACM 27.
    """
    mask = np.pad(mask, 1)
    steps = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]  # clockwise, from above
    while True:
        before = mask.sum()
        for first, second in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            near = np.stack([np.roll(mask, (-y, -x), (0, 1)) for y, x in steps])
            number = near.sum(axis=0)
            turns = (~near & np.roll(near, -1, axis=0)).sum(axis=0)
            edge = ~near[list(first)].all(axis=0) & ~near[list(second)].all(axis=0)
            mask = mask & ~((2 <= number) & (number <= 6) & (turns == 1) & edge)
        if mask.sum() == before:
            return mask[1:-1, 1:-1]


if __name__ == "__main__":
    run_cli(main)
