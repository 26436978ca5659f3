"""Classification metrics."""

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from emnist.data.classes import BYMERGE, CHARACTERS

DECIMALS = 6  # enough to resolve one of EMNIST's 814,255 images
WEIGHTED = ("accuracy", "precision", "recall", "f1")  # means over the classes, weighted by their images


def macro_f1(labels, top3):
    return f1_score(labels, top3[:, 0], labels=np.unique(labels), average="macro", zero_division=0)


def top3_accuracy(labels, top3):
    return np.mean((top3 == labels[:, None]).any(axis=1))


def bymerge_accuracy(labels, top3):
    return np.mean(BYMERGE[top3[:, 0]] == BYMERGE[labels])


# By their names in the metrics' files, after `WEIGHTED`. Each is called with the true classes, (N,)
# array of int, and the three most probable classes of each image, (N, 3), the most probable first. It returns a number
# from 0 to 1.
METRICS = {metric.__name__: metric for metric in (macro_f1, top3_accuracy, bymerge_accuracy)}


def classification_metrics(labels, top3, classes=CHARACTERS):
    """Compute all classification metrics of a set of predictions.

    Parameters
    ----------
    labels : (N,) array of int
        The true classes.
    top3 : (N, 3) array of int
        The three most probable classes of each image, the most probable (the prediction) first; (N, 2) of two classes.
    classes : sequence of str
        Their names. Only those of ByClass can also be scored by ByMerge.

    Returns
    -------
    dict of str to float
        ``accuracy``; ``precision``, ``recall`` and ``f1``, weighted by the images of each class;
        ``macro_f1``, the unweighted mean over the classes that have images; ``top3_accuracy``; of ByClass also
        ``bymerge_accuracy``, in which letters whose two cases look alike are one class, 47 in all [1]_.
        Numbers from 0 to 1, to 6 decimals.

    References
    ----------
    .. [1] Cohen et al., "EMNIST: an extension of MNIST to handwritten letters", 2017, arXiv:1702.05373.

    Examples
    --------
    >>> metrics = classification_metrics(np.array([0, 1]), np.array([[0, 1, 2], [2, 1, 0]]), "abc")
    >>> metrics["accuracy"], metrics["top3_accuracy"]
    (0.5, 1.0)
    """
    weighted = precision_recall_fscore_support(labels, top3[:, 0], average="weighted", zero_division=0)[:3]
    values = dict(zip(WEIGHTED, (np.mean(top3[:, 0] == labels), *weighted)))
    bymerge = tuple(classes) == tuple(CHARACTERS)
    values |= {name: metric(labels, top3) for name, metric in METRICS.items() if bymerge or name != "bymerge_accuracy"}
    return rounded(values)


def rounded(values):
    """Round numbers (dict of str to number) as the metrics' files hold them."""
    return {name: round(float(value), DECIMALS) for name, value in values.items()}


def per_class_table(labels, predictions, characters):
    """Compute metrics of each class.

    Parameters
    ----------
    labels, predictions : (N,) array of int
        True and predicted classes.
    characters : str
        The character of each class.

    Returns
    -------
    list of dict
        One for each character, in order. ``most_confused_with`` is the character for which its images are most often
        mistaken, empty if none is mistaken.
    """
    classes = range(len(characters))
    counts = confusion_matrix(labels, predictions, labels=classes)
    scores = precision_recall_fscore_support(labels, predictions, labels=classes, zero_division=0)
    np.fill_diagonal(counts, 0)
    return [
        {
            "character": character,
            "support": int(support),
            **rounded({"precision": precision, "recall": recall, "f1": f1}),
            "most_confused_with": characters[mistakes.argmax()] if mistakes.any() else "",
        }
        for character, precision, recall, f1, support, mistakes in zip(characters, *scores, counts)
    ]


def most_confused(labels, predictions, n):
    """Find the confusions with the largest fractions of a class's images.

    Parameters
    ----------
    labels, predictions : (N,) array of int
        True and predicted classes.
    n : int
        Maximum number of pairs.

    Returns
    -------
    list of (actual, predicted, count, support) tuples of int
        `count` of the `support` images of class `actual` were predicted as `predicted`; the largest fraction first.
    """
    mistakes = np.stack([labels, predictions], 1)[labels != predictions]
    pairs, counts = np.unique(mistakes, axis=0, return_counts=True)
    support = np.bincount(labels)[pairs[:, 0]]
    order = np.lexsort((-counts, -counts / support))[:n]
    return [(*map(int, pairs[i]), int(counts[i]), int(support[i])) for i in order]


def compare_probabilities(probabilities, expected, labels):
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
