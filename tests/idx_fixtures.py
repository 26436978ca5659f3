"""A few images in the official layout of EMNIST ByClass and MNIST, for the tests of the sources."""

import numpy as np

from emnist.data import idx

EMNIST_NAMES = [
    f"emnist-byclass-{part}-{kind}-ubyte.gz" for part in ("train", "test") for kind in ("images-idx3", "labels-idx1")
]
MNIST_NAMES = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def write_official(folder, names, count=70, first=0):
    """Write files of images, different in each, and of as many labels, which count from `first`."""
    for name in names:
        rng = np.random.default_rng(list(name.encode()))
        if "images" in name:
            idx.write_images(folder / name, rng.integers(0, 256, (count, 28, 28), np.uint8))
        else:
            classes = 26 if "letters" in name else 62 if "emnist" in name else 10
            idx.write_labels(folder / name, np.arange(count, dtype=np.uint8) % classes + first)


def contents(folder):
    """Give the content of each file in `folder` by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}
