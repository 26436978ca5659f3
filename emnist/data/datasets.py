"""Loads the images and labels in data/raw and data/split."""

from pathlib import Path

import numpy as np

from emnist.data import idx
from emnist.data.classes import CHARACTERS
from emnist.data.files import load_array, load_json
from emnist.data.subsets import stratified
from emnist.utils.errors import UserError

RAW = Path("data/raw")
SPLIT = Path("data/split")
EMNIST_PARTS, MNIST_PARTS = ("emnist-byclass-train", "emnist-byclass-test"), ("train", "t10k")


def paths(folder, part):
    """Give the paths of the images and of the labels of a part, one of `EMNIST_PARTS` or `MNIST_PARTS`, in a folder."""
    return Path(folder, f"{part}-images-idx3-ubyte.gz"), Path(folder, f"{part}-labels-idx1-ubyte.gz")


def load_emnist(part, count=None, seed=0, folder=RAW, classes=len(CHARACTERS)):
    """Load images of characters, upright, or a stratified subset of them.

    Parameters
    ----------
    part : {"train", "test"}
    count : int, optional
        Size of the subset; None for all images.
    seed : int
        Of the random subset.
    folder : path-like
        Holds the files in EMNIST's official layout.
    classes : int
        Labels are 0 to ``classes - 1``.

    Returns
    -------
    images : numpy.ndarray of uint8, shape (N, 28, 28)
    labels : numpy.ndarray of uint8, shape (N,)

    Raises
    ------
    UserError
        If a file is missing or damaged, or holds fewer than `count` images.
    """
    images, labels = idx.load_pair(*paths(folder, f"emnist-byclass-{part}"), classes, transposed=True)
    if count is None:
        return images, labels
    if count > len(labels):
        raise UserError(
            f"params.yaml asks for {count:,} {part} images, but the source has {len(labels):,}: "
            f"set at most that many, or null for all"
        )
    chosen = np.sort(stratified(labels, count, np.random.default_rng(seed)))
    return images[chosen], labels[chosen]


def load_mnist(part, folder=RAW):
    """Load the digits of the stage `transfer`, as `load_emnist` loads characters: MNIST, or images in its format.

    `part` is ``"train"`` or ``"t10k"``.
    """
    return idx.load_pair(*paths(folder, part), classes=10)


def load_split(*parts, folder=SPLIT):
    """Load the output of the stage `split`.

    Parameters
    ----------
    *parts : str
        Names of index sets, such as ``"pretrain"``.
    folder : path-like

    Returns
    -------
    images : numpy.memmap of uint8, shape (N, 28, 28)
        All training images, upright; memory-mapped, so that only the pages accessed are loaded.
    labels : numpy.memmap of uint8, shape (N,)
    pixel_stats : dict of str to float
        ``mean`` and ``std`` of the pixels in [0, 1].
    *indices : numpy.memmap of int64
        Indices into images and labels, one array for each of `parts`.

    Raises
    ------
    UserError
        If a file is missing or damaged.
    """
    images, labels, *indices = (load_array(f"{folder}/{name}.npy") for name in ("train-images", "train-labels", *parts))
    return images, labels, load_json(f"{folder}/statistics.json"), *indices
