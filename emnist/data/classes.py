"""The data sets that `dataset` in params.yaml may name, and their classes."""

import json
import unicodedata

import numpy as np

from emnist.utils.names import nearest

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# Letters whose two cases look alike, so that ByMerge has one class for both (Cohen et al., 2017, arXiv:1702.05373).
MERGED_LETTERS = "CIJKLMOPSUVWXYZ"

# BYMERGE[label] is the label itself, or that of the capital letter if ByMerge merges the two cases.
BYMERGE = np.array([CHARACTERS.index(c.upper() if c.upper() in MERGED_LETTERS else c) for c in CHARACTERS])

# The classes of EMNIST's six data sets, in the order of their official labels. Those of letters stand for both cases.
_MERGED = "".join(c for c in CHARACTERS if c.upper() not in MERGED_LETTERS or c in MERGED_LETTERS)
DATASETS = {
    "byclass": CHARACTERS,
    "bymerge": _MERGED,
    "balanced": _MERGED,
    "letters": CHARACTERS[10:36],
    "digits": CHARACTERS[:10],
    "mnist": CHARACTERS[:10],
}
TITLES = {
    **{name: f"EMNIST {name.capitalize()}" for name in DATASETS},
    **{"byclass": "EMNIST ByClass", "bymerge": "EMNIST ByMerge", "mnist": "MNIST"},
}
FIRST_LABELS = {"letters": 1}  # of the official files; the others count from 0
MAX_CLASSES = 256  # labels are bytes


def check_dataset(value):
    """Check the value of `dataset` in params.yaml: a name, a list, or a text with blanks between the characters.

    Returned is one of `DATASETS` or a list of str in Unicode's composed form (NFC); `ValueError` tells what is wrong.
    """
    if isinstance(value, str):
        if value in DATASETS:
            return value
        value = value.split() if len(value.split()) > 1 else value
    if not isinstance(value, list):
        near = nearest(value, DATASETS)
        raise ValueError(f"should be one of {', '.join(DATASETS)}, or a list of characters such as [а, б, в]{near}")
    value = [str(each) if type(each) is int and 0 <= each <= 9 else each for each in value]  # 7, not only "7"
    for each in value:
        if not isinstance(each, str) or not each or each != each.strip() or "Cc" in map(unicodedata.category, each):
            raise ValueError(f"should list characters, each as text, in quotes if in doubt (not {each!r:.40})")
    composed = [unicodedata.normalize("NFC", each) for each in value]
    if twice := sorted({each for each in composed if composed.count(each) > 1}):
        raise ValueError(f"should list each character once (not {', '.join(twice[:5])} twice)")
    if not 2 <= len(composed) <= MAX_CLASSES:
        raise ValueError(f"should list 2 to {MAX_CLASSES} characters (not {len(composed)})")
    return composed


def classes_of(dataset):
    """Return the classes of a data set, as `check_dataset` returns it: a tuple of str, in the order of the labels."""
    return tuple(DATASETS[dataset] if isinstance(dataset, str) else dataset)


def from_byclass(dataset):
    """Give the label in a data set (str) of each of ByClass's 62 classes, or -1, by the mapping of Cohen et al. (2017)."""
    classes = DATASETS[dataset]
    return np.array([classes.find(c if c in classes else c.upper()) for c in CHARACTERS])


def pack_classes(classes):
    """Write classes (sequence of str) as metadata: a str of one character each or, if some are longer, a list."""
    return "".join(classes) if all(len(each) == 1 for each in classes) else list(classes)


def parse_classes(text):
    """Read the classes of a file in ONNX, which `pack_classes` gave: a list is in JSON. Returned is a tuple of str."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    # Characters are distinct, and a list of strings has several quotation marks, so nothing is taken for the other.
    return tuple(value if isinstance(value, list) and all(isinstance(each, str) for each in value) else text)
