"""Training and test images on their way into data/raw."""

import mmap
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emnist.data import idx
from emnist.data.classes import MAX_CLASSES
from emnist.data.datasets import paths
from emnist.data.idx import MAX_ITEMS
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError


class Part(NamedTuple):
    """The images of training or testing, uint8 (N, 28, 28), upright, white on black, and their labels, uint8 (N,).

    If they are in official files of IDX that can be copied as they are, `copied` has the paths of both, `transposed`
    says how the images lie there, and `images` is None.
    """

    labels: np.ndarray
    images: np.ndarray | None
    copied: tuple[Path, Path] | None = None
    transposed: bool = True


def write_parts(loaded, raw, names, transposed):
    """Write training and test images of several folders, a list of pairs of `Part`, together.

    `names` are `EMNIST_PARTS`, whose files hold each image `transposed`, or `MNIST_PARTS`.
    """
    if (count := max((sum(len(part.labels) for part in parts) for parts in zip(*loaded)), default=0)) > MAX_ITEMS:
        raise UserError(
            f"the folders should hold at most {MAX_ITEMS:,} images together, but hold {count:,}: leave one out"
        )
    for name, parts in zip(names, zip(*loaded)):
        targets = paths(raw, name)
        if len(parts) == 1 and parts[0].copied and parts[0].transposed == transposed:
            for source, target in zip(parts[0].copied, targets):
                with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    write_bytes(target, content)
            continue
        labels = np.concatenate([part.labels for part in parts])
        idx.write_image_blocks(targets[0], len(labels), map(_images_of, parts), transposed)
        idx.write_labels(targets[1], labels)


def as_written(folder, name, transposed):
    """Return as a `Part` what `write_parts` has written to a folder."""
    copied = paths(folder, name)
    return Part(idx.load_labels(copied[1], MAX_CLASSES), None, copied, transposed)


def _images_of(part):
    return idx.load_images(part.copied[0], part.transposed) if part.copied else part.images
