"""Comparison of an exported network with PyTorch's."""

import numpy as np

from emnist.evaluation.metrics import DECIMALS


def parity(probabilities, expected, labels):
    """Compare a network's probabilities with those of another, and score its predictions.

    Parameters
    ----------
    probabilities, expected : numpy.ndarray of float, shape (N, classes)
        Of the network and of the one that it should equal.
    labels : numpy.ndarray of int, shape (N,)

    Returns
    -------
    dict
        ``accuracy`` (0 to 1), ``differing_predictions``, the number of images of which the most probable class differs,
        and ``largest_difference`` of a probability.
    """
    predictions = probabilities.argmax(1)
    return {
        "accuracy": round(float(np.mean(predictions == labels)), DECIMALS),
        "differing_predictions": int(np.sum(predictions != expected.argmax(1))),
        "largest_difference": float(np.max(np.abs(probabilities - expected))),
    }
