"""Whether predictions are as often right as their probabilities say."""

import numpy as np

BINS = 15


def reliability(confidence, correct, bins=BINS):
    """Compare probability and accuracy of predictions, grouped by their probability.

    Parameters
    ----------
    confidence : numpy.ndarray of float, shape (N,)
        Probability of each prediction.
    correct : numpy.ndarray of bool, shape (N,)
    bins : int
        Number of groups, of equal width from 0 to 1.

    Returns
    -------
    counts, confidences, accuracies : numpy.ndarray, shape (G,)
        Of the groups that have predictions: their number, mean probability and accuracy.
    """
    group = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(group, minlength=bins)
    used = counts > 0
    confidences, accuracies = (
        np.bincount(group, values, bins)[used] / counts[used] for values in (confidence, correct)
    )
    return counts[used], confidences, accuracies


def expected_calibration_error(confidence, correct):
    """Compute the mean difference between probability and accuracy, from 0 to 1, weighted by the groups' predictions.

    Parameters as for `reliability`.

    References
    ----------
    Guo et al., 2017, "On calibration of modern neural networks", ICML, arXiv:1706.04599.
    """
    counts, confidences, accuracies = reliability(confidence, correct)
    return np.average(np.abs(confidences - accuracies), weights=counts)


def coverage_and_risk(confidence, correct):
    """Compute the error that is left when the least probable predictions are rejected.

    Parameters
    ----------
    confidence, correct
        As for `reliability`.

    Returns
    -------
    coverage, risk : numpy.ndarray of float, shape (T,)
        For each threshold that tells predictions apart: the share of predictions that are at least so probable, in
        ascending order, and the share of these that is wrong.
    """
    order = np.argsort(-confidence, kind="stable")
    number = np.arange(1, len(order) + 1)
    errors = np.cumsum(~correct[order]) / number
    last = np.append(np.diff(confidence[order]) != 0, True)  # of equally probable predictions, all are kept or none
    return number[last] / len(order), errors[last]


def coverage_at_accuracy(confidence, correct, accuracy=0.99):
    """Compute the largest share of predictions, the most probable ones, that is right in at least `accuracy` of all."""
    coverage, risk = coverage_and_risk(confidence, correct)
    return max(coverage[risk <= 1 - accuracy], default=0.0)
