"""Accuracy on test images that are drawn again as pictures, beside the accuracy on the images themselves.

    python -m benchmarks.pictures FOLDER MNIST_FOLDER

Both folders are in the official layout. Each image is enlarged to 280x280 pixels, drawn black on white as a drawing
program would, and saved as PNG. That is read as `emnist predict` reads a picture. MNIST's images are classified among
the ten digits, the others among 62 characters.

- enlarged: with bicubic interpolation
- outlined: enlarged, then cut at half of the white: sharp edges, the widths of the original strokes
- pen N: the middle lines of the outlined strokes, followed by a round pen of N pixels
"""

import argparse
import io

import numpy as np
from PIL import Image, ImageDraw

from emnist.data.datasets import read_emnist, read_mnist
from emnist.reading.pictures import read_character
from emnist.reading.reader import DEFAULT, Reader
from emnist.utils.errors import UserError, run_cli

SIDE = 280
PENS = (12, 20, 28)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("emnist", metavar="FOLDER", help="folder of emnist-byclass-test-*.gz")
    parser.add_argument("mnist", metavar="MNIST_FOLDER", help="folder of t10k-*.gz")
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--count", type=int, help="images of each, drawn at random; default: all")
    options = parser.parse_args()
    reader = Reader(options.model)
    ways = {"enlarged": enlarge, "outlined": lambda image: 255 * np.uint8(enlarge(image) > 127)}
    ways |= {f"pen {width}": lambda image, width=width: draw(image, width) for width in PENS}
    print(f"| accuracy in % | images | as they are | {' | '.join(ways)} |")
    print("| --- " * (len(ways) + 3) + "|")
    for name, (images, labels), classes in [
        ("MNIST", read_mnist("t10k", options.mnist), 10),
        ("handwriting62", read_emnist("test", folder=options.emnist), 62),
    ]:
        chosen = np.sort(np.random.default_rng(0).permutation(len(labels))[: options.count])
        images, labels = images[chosen], labels[chosen]
        drawn = [images] + [np.stack([read_again(way(image)) for image in images]) for way in ways.values()]
        predicted = [reader.network.probabilities(each)[:, :classes].argmax(axis=1) for each in drawn]
        scores = " | ".join(f"{np.mean(each == labels):.2%}".rstrip("%") for each in predicted)
        print(f"| {name} | {len(labels):,} | {scores} |", flush=True)


def read_again(levels):
    """Save a picture, white on black, as PNG with the colours inverted, and read it; black if it cannot be read."""
    file = io.BytesIO()
    Image.fromarray(255 - levels).save(file, format="PNG")
    try:
        return read_character(file.getvalue())
    except UserError:
        return np.zeros((28, 28), np.uint8)


def enlarge(image):
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def draw(image, width):
    """Follow the middle lines of the strokes with a round pen; its edge is soft."""
    scale = 2  # for the soft edge
    small = np.asarray(Image.fromarray(image).resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC))
    canvas = Image.new("L", (scale * SIDE, scale * SIDE))
    pen, radius = ImageDraw.Draw(canvas), scale * width / 2
    for row, column in scale * 2 * np.argwhere(thin(small > 127)) + scale:
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
