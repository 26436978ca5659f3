"""Classification metrics, found by name, a table by class, and the most confused pairs."""

import numpy as np
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
)

from emnist.data.classes import BYMERGE

DECIMALS = 6  # enough for one image of the 814,255, and short enough to read


def accuracy(labels, top):
    return np.mean(top[:, 0] == labels)


def precision(labels, top):
    return precision_score(labels, top[:, 0], average="weighted", zero_division=0)


def recall(labels, top):
    return recall_score(labels, top[:, 0], average="weighted", zero_division=0)


def f1(labels, top):
    return f1_score(labels, top[:, 0], average="weighted", zero_division=0)


def macro_f1(labels, top):
    return f1_score(labels, top[:, 0], average="macro", zero_division=0)


def top3_accuracy(labels, top):
    return np.mean((top == labels[:, None]).any(axis=1))


def bymerge_accuracy(labels, top):
    return np.mean(BYMERGE[top[:, 0]] == BYMERGE[labels])


# By their names in the metrics' files, in their order. Each is called with the true classes, (N,) array of int, and the
# three most probable ones of each image, (N, 3), the most probable first; it returns a fraction of 1.
METRICS = {
    metric.__name__: metric for metric in (accuracy, precision, recall, f1, macro_f1, top3_accuracy, bymerge_accuracy)
}


def classification_metrics(labels, top, bymerge=True):
    """Score predictions of characters.

    Parameters
    ----------
    labels : (N,) array of int
        The true classes.
    top : (N, 3) array of int
        The three most probable classes of each image, the most probable (the prediction) first.
    bymerge : bool
        Whether the classes are the 62 of ByClass, so that the same predictions can also be judged by ByMerge.

    Returns
    -------
    dict of str to float
        ``accuracy``; ``precision``, ``recall`` and ``f1``, weighted by the images of each class;
        ``macro_f1``, the unweighted mean over the classes that occur; ``top3_accuracy``; with `bymerge` also
        ``bymerge_accuracy``, in which letters whose two cases look alike are one class, 47 in all [1]_.
        Fractions of 1, to 6 decimals.

    References
    ----------
    .. [1] Cohen et al., "EMNIST: an extension of MNIST to handwritten letters", 2017, arXiv:1702.05373.

    Examples
    --------
    >>> metrics = classification_metrics(np.array([0, 1]), np.array([[0, 1, 2], [2, 1, 0]]), bymerge=False)
    >>> metrics["accuracy"], metrics["top3_accuracy"]
    (0.5, 1.0)
    """
    names = [name for name in METRICS if bymerge or name != "bymerge_accuracy"]
    return {name: round(float(METRICS[name](labels, top)), DECIMALS) for name in names}


def per_class_table(labels, predictions, characters):
    """Score each class by itself.

    Parameters
    ----------
    labels, predictions : (N,) array of int
    characters : str
        The character of each class.

    Returns
    -------
    header : list of str
    rows : list of list
        One row for each character, in order. ``most_confused_with`` is the character that its images are most
        often mistaken for, empty where none is.
    """
    classes = range(len(characters))
    counts = confusion_matrix(labels, predictions, labels=classes)
    scores = precision_recall_fscore_support(labels, predictions, labels=classes, zero_division=0)
    np.fill_diagonal(counts, 0)
    rows = [
        [
            character,
            int(support),
            *(round(float(score), DECIMALS) for score in (precision, recall, f1)),
            characters[mistakes.argmax()] if mistakes.any() else "",
        ]
        for character, precision, recall, f1, support, mistakes in zip(characters, *scores, counts)
    ]
    return ["character", "support", "precision", "recall", "f1", "most_confused_with"], rows


def most_confused(labels, predictions, n):
    """Find the confusions that take the largest share of a class's images.

    Parameters
    ----------
    labels, predictions : (N,) array of int
    n : int
        How many pairs at most.

    Returns
    -------
    list of (actual, predicted, count, support) tuples of int
        `count` of the `support` images of class `actual` were taken for `predicted`; the largest share first.
    """
    mistakes = np.stack([labels, predictions], 1)[labels != predictions]
    pairs, counts = np.unique(mistakes, axis=0, return_counts=True)
    support = np.bincount(labels)[pairs[:, 0]]
    order = np.lexsort((-counts, -counts / support))[:n]
    return [(*map(int, pairs[i]), int(counts[i]), int(support[i])) for i in order]
