"""Stratified subsets, the split of the training images, and their pixel statistics."""

import numpy as np

from emnist.utils.errors import UserError


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
    counts = sum(np.bincount(images[i : i + 8192].ravel(), minlength=256) for i in range(0, len(images), 8192))
    values = np.arange(256) / 255
    mean = np.average(values, weights=counts)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=counts))
    if deviation == 0:
        raise UserError("the images should show characters, but all their pixels are the same: use other files")
    return {"mean": round(float(mean), 6), "std": round(float(deviation), 6)}
