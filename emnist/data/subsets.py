"""Stratified subsets, the split of the training images, and pixel statistics."""

import numpy as np

from emnist.utils.errors import UserError


def stratified(labels, count, rng):
    """Draw a random subset with the class proportions of `labels`.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (N,)
    count : int
        Size of the subset, at most N.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray of int64, shape (count,)
        Distinct indices into `labels`; each class has its proportional share to within one.

    References
    ----------
    Systematic sampling of a list sorted by stratum: Cochran (1977), Sampling Techniques, chapter 8.
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    return order[np.arange(count) * len(labels) // count]


def partition(labels, seed):
    """Split the training images as the original experiment does, stratified by class.

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (N,)
    seed : int

    Returns
    -------
    dict of str to numpy.ndarray of int64
        Sorted indices into `labels`. ``pretrain``: 90 %. ``validation``: the other 10 %, by which pre-training is
        stopped early. ``mini-train`` and ``mini-validation``: 80 % and 20 % of ``validation``, for the random search.
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
    """Compute the mean and standard deviation of the pixels, scaled to [0, 1].

    Parameters
    ----------
    images : numpy.ndarray of uint8, shape (N, 28, 28)

    Returns
    -------
    dict of str to float
        ``mean`` and ``std``, to 6 decimals.

    Raises
    ------
    UserError
        If all pixels are equal.
    """
    counts = sum(np.bincount(images[i : i + 8192].ravel(), minlength=256) for i in range(0, len(images), 8192))
    values = np.arange(256) / 255
    mean = np.average(values, weights=counts)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=counts))
    if deviation == 0:
        raise UserError("the images should show characters, but all their pixels are the same: use other files")
    return {"mean": round(float(mean), 6), "std": round(float(deviation), 6)}
