"""From the files in `data/raw` to the arrays that training reads."""

from pathlib import Path

import numpy as np

from emnist import idx
from emnist.classes import CHARACTERS
from emnist.errors import UserError
from emnist.files import read_array, read_json

RAW = Path("data/raw")
SPLIT = Path("data/split")


def read_emnist(part, count=None, seed=0, folder=RAW):
    """Read EMNIST ByClass images, upright, or a stratified subset of them.

    Parameters
    ----------
    part : {"train", "test"}
    count : int, optional
        How many images to draw; all of them if None.
    seed : int
    folder : path-like

    Returns
    -------
    images : numpy.ndarray of uint8, shape (N, 28, 28)
    labels : numpy.ndarray of uint8, shape (N,)

    Raises
    ------
    UserError
        If a file is damaged, or holds fewer than `count` images.
    """
    stem = f"{folder}/emnist-byclass-{part}"
    images, labels = idx.read_pair(f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz",
                                   classes=len(CHARACTERS), transposed=True)
    if count is None:
        return images, labels
    if count > len(labels):
        raise UserError(f"params.yaml asks for {count:,} {part} images, but the source has {len(labels):,}: "
                        f"ask for at most that many, or for null to take all")
    chosen = np.sort(stratified(labels, count, np.random.default_rng(seed)))
    return images[chosen], labels[chosen]


def read_mnist(part, folder=RAW):
    """Read the ten-digit images of the transfer, ``"train"`` or ``"t10k"``; returns as `read_emnist`."""
    return idx.read_pair(f"{folder}/{part}-images-idx3-ubyte.gz", f"{folder}/{part}-labels-idx1-ubyte.gz",
                         classes=10, transposed=False)


def stratified(labels, count, rng):
    """Draw `count` indices with the classes in the proportions of `labels`.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (N,)
    count : int
        At most N.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray of int64, shape (count,)
        Each class has its proportional share, give or take one.

    References
    ----------
    Systematic sampling of a list sorted by stratum: Cochran (1977), Sampling Techniques, chapter 8.
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    return order[np.arange(count) * len(labels) // count]


def partition(labels, seed):
    """Split training images as the original does, each part stratified by class.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (N,)
    seed : int

    Returns
    -------
    dict of str to numpy.ndarray of int64
        ``pretrain``: 90 % of the indices; ``validation``: the other 10 %, the "mini" set, which stops pre-training
        early and which the random search splits into ``mini-train`` (80 %) and ``mini-validation`` (20 %).
    """
    rng = np.random.default_rng(seed)
    validation = np.sort(stratified(labels, max(len(labels) // 10, 2), rng))
    mini_validation = validation[np.sort(stratified(labels[validation], max(len(validation) // 5, 1), rng))]
    return {
        "pretrain": np.setdiff1d(np.arange(len(labels)), validation),
        "validation": validation,
        "mini-train": np.setdiff1d(validation, mini_validation),
        "mini-validation": mini_validation,
    }


def statistics(images):
    """Compute the mean and standard deviation of pixels in [0, 1], a chunk at a time.

    Parameters
    ----------
    images : numpy.ndarray of uint8, shape (N, 28, 28)

    Returns
    -------
    dict of str to float
        ``mean`` and ``std``.

    Raises
    ------
    UserError
        If all pixels are the same.
    """
    counts = sum(np.bincount(images[i:i + 8192].ravel(), minlength=256) for i in range(0, len(images), 8192))
    values = np.arange(256) / 255
    mean = np.average(values, weights=counts)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=counts))
    if deviation == 0:
        raise UserError("the images should show characters, but all their pixels are the same: use other files")
    return {"mean": round(float(mean), 6), "std": round(float(deviation), 6)}


def read_split(*parts, folder=SPLIT):
    """Read what `split` wrote.

    Parameters
    ----------
    *parts : str
        Names of index sets, such as ``"pretrain"``.
    folder : path-like

    Returns
    -------
    images : numpy.memmap of uint8, shape (N, 28, 28)
        All training images, upright; in memory only as far as they are read.
    labels : numpy.memmap of uint8, shape (N,)
    statistics : dict
        Their ``mean`` and ``std``.
    *indices : numpy.memmap of int64
        One for each of `parts`.
    """
    images = read_array(f"{folder}/train-images.npy", np.uint8, 3)
    labels = read_array(f"{folder}/train-labels.npy", np.uint8, 1)
    indices = [read_array(f"{folder}/{part}.npy", np.int64, 1) for part in parts]
    within = all(len(i) and 0 <= i.min() <= i.max() < len(labels) for i in indices)
    if images.shape != (len(labels), 28, 28) or not len(labels) or labels.max() >= len(CHARACTERS) or not within:
        raise UserError(f"the arrays in {folder} don't belong together: delete them and run `dvc repro`")
    return images, labels, read_json(f"{folder}/statistics.json", "mean", "std"), *indices
