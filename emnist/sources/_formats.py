"""The files that people have: IDX, CSV, and folders of pictures. What a folder holds is found by looking."""

import csv
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emnist.data.classes import DATASETS, FIRST_LABELS, TITLES, classes_of, from_byclass
from emnist.data.datasets import MNIST_PARTS
from emnist.data.idx import MAX_ITEMS, SIDE, load_pair
from emnist.data.subsets import stratified
from emnist.reading.pictures import read_character
from emnist.utils.errors import UserError, printable
from emnist.utils.progress import log, progress
from emnist.utils.workers import run_in_workers

# Where the files of IDX lie: as downloaded, as torchvision leaves them, as the official archive is unpacked.
PLACES = ("", "EMNIST/raw", "MNIST/raw", "raw", "gzip")
CLASSES_FILE = "classes.csv"
KEPT = "characters"  # how the files of `emnist serve --keep` are called if they are of other classes than ByClass's
SUFFIXES = tuple(".png .jpg .jpeg .webp .avif .heic .tif .tiff .bmp .gif .ppm .pgm .pbm".split())
TEST_SHARE = 0.2  # of pictures without a test folder
MAX_BAD = 0.01  # of the pictures may be unreadable
CSV_ROWS = 4096  # read at once
PICTURES_AT_ONCE = 64  # by one process
MADE_FROM_BYCLASS = ("bymerge", "letters", "digits")  # Balanced is a random choice that nobody can make again


class Part(NamedTuple):
    """The images of training or testing.

    Attributes
    ----------
    labels : numpy.ndarray of uint8, shape (N,)
        Of the data set's classes, from 0.
    images : numpy.ndarray of uint8, shape (N, 28, 28), or None
        Upright, white on black; None where `copied` has them.
    copied : tuple of (pathlib.Path, pathlib.Path) or None
        Files of images and labels with official names, gzipped, which can be copied as they are.
    transposed : bool
        Whether these hold each image transposed.
    """

    labels: np.ndarray
    images: np.ndarray | None
    copied: tuple[Path, Path] | None = None
    transposed: bool = True


class Found(NamedTuple):
    """What a folder holds of a data set.

    Attributes
    ----------
    load : callable
        Returns the training `Part` and the test `Part`.
    note : str
        What a title should say beside the folder, or "".
    """

    load: Callable
    note: str = ""


def find(folder, dataset, upright=False):
    """Find the files of a data set in a folder.

    Parameters
    ----------
    folder : pathlib.Path
    dataset : str or list of str
        As in `emnist.data.classes`.
    upright : bool
        Whether EMNIST's files and CSV hold their images upright, and not transposed as the official ones. MNIST's do.

    Returns
    -------
    Found

    Raises
    ------
    UserError
        If there are none, or some are missing.
    """
    named = isinstance(dataset, str)
    names = ([KEPT] if (folder / CLASSES_FILE).is_file() else []) + ([dataset] if named else [])
    names += ["byclass"] if dataset in MADE_FROM_BYCLASS else []
    for name in names:
        stem = name if name == KEPT else f"emnist-{name}"
        parts = MNIST_PARTS if name == "mnist" else (f"{stem}-train", f"{stem}-test")
        note = f"{TITLES[dataset]} made of ByClass" if name == "byclass" != dataset else ""
        if pairs := _find_idx(folder, parts) or _find_csv(folder, name):
            lookup = _lookup(folder, name, dataset)
            if note:
                log(f"{folder}: {note}, by the mapping of Cohen et al. (2017); it is not the official selection")
            transposed = name != "mnist" and not upright
            return Found(lambda: [_load(pair, lookup, transposed) for pair in pairs], note)
    if found := _find_pictures(folder, dataset):
        return found
    raise UserError(_nothing_found(folder, dataset))


def has_mnist(folder):
    """Tell whether a folder holds a file of MNIST."""
    return any(_idx_paths(folder, MNIST_PARTS)) or (folder / "mnist_train.csv").is_file()


def _nothing_found(folder, dataset):
    if not folder.is_dir():
        return f"{folder} should be a folder of images, but is none: set download.folder in params.yaml"
    others = [name for name in DATASETS if any(folder.rglob(f"emnist-{name}-*"))]
    if others and others != [dataset]:
        remedy = f"set dataset to {others[0]}, or another folder" if isinstance(dataset, str) else "set another folder"
        wanted = dataset if isinstance(dataset, str) else "a list of characters"
        return f"{folder} holds files of {', '.join(others)}, but dataset in params.yaml is {wanted}: {remedy}"
    expected = f"the four emnist-{dataset}-*-ubyte.gz files, emnist-{dataset}-train.csv and -test.csv, or "
    if dataset == "mnist":
        expected = "MNIST's four files, mnist_train.csv and mnist_test.csv, or "
    return (
        f"{folder} should hold {expected if isinstance(dataset, str) else ''}a folder of pictures for each character, "
        "but holds none of these: put them there, or set another folder in params.yaml"
    )


def _lookup(folder, name, dataset):
    """Give the label in `dataset` of each label (256,) in files of the data set `name`; -1: left out, -2: impossible."""
    lookup = np.full(256, -2)
    if name == KEPT:
        for label, character in _load_classes(folder).items():
            if label not in map(str, range(256)):
                raise UserError(f"{folder / CLASSES_FILE} should name labels from 0 to 255, but has {label!r:.40}")
            lookup[int(label)] = _class_of(character, dataset, folder / CLASSES_FILE)
        return lookup
    count, first = len(DATASETS[name]), FIRST_LABELS.get(name, 0)
    lookup[first : first + count] = from_byclass(dataset) if name == "byclass" else np.arange(count)
    return lookup


def _load_classes(folder):
    """Read the characters by the name of a folder, or by a label, from `CLASSES_FILE`."""
    path = folder / CLASSES_FILE
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
        if len(header) != 2 or header[1] != "character" or any(len(row) != 2 for row in rows):
            raise ValueError
    except (ValueError, csv.Error):
        raise UserError(
            f"{path} should be a table in UTF-8 whose first line is folder,character and whose others name a folder and "
            "its character, but is not: fix it"
        ) from None
    return dict(rows)


def _class_of(character, dataset, place):
    classes, character = classes_of(dataset), unicodedata.normalize("NFC", character)
    if character not in classes:
        raise UserError(
            f"{printable(place)} is of the character {character!r:.40}, which dataset in params.yaml lacks: add it there, "
            "or take the images away"
        )
    return classes.index(character)


def _idx_paths(folder, parts):
    """List the paths of images and labels of each part, None for what is missing."""
    found = []
    for part in parts:
        for kind in ("images", "labels"):
            names = [
                f"{part}-{kind}{dot}idx{3 if kind == 'images' else 1}-ubyte{gz}" for gz in (".gz", "") for dot in "-."
            ]
            paths = (Path(folder, place, name) for place in PLACES for name in names)
            found.append(next((path for path in paths if path.is_file()), None))
    return found


def _find_idx(folder, parts):
    found = _idx_paths(folder, parts)
    if not any(found):
        return None
    place = next(path.parent for path in found if path)
    kinds = ("images-idx3", "labels-idx1")
    official = [place / f"{part}-{kind}-ubyte.gz" for part in parts for kind in kinds]
    if missing := [str(path) for path, there in zip(official, found) if not there]:
        raise UserError(
            f"expected four files with their official names, but could not find {', '.join(missing)}: put them there, or "
            "set another folder in params.yaml"
        )
    return [tuple(found[:2]), tuple(found[2:])]


def _load(files, lookup, transposed):
    """Load the `Part` in a file of CSV, or in two of IDX, whose labels become others by `lookup`."""
    if len(files) == 1:
        images, labels = _load_csv(*files, transposed)
    else:
        images, labels = load_pair(*files, int(np.flatnonzero(lookup > -2)[-1]) + 1, transposed)
    labels, kept = _map(labels, lookup, files[-1])
    possible = np.count_nonzero(lookup > -2)
    if files[-1].name.endswith("-idx1-ubyte.gz") and np.array_equal(lookup[:possible], np.arange(possible)):
        if files[0].name.endswith("-idx3-ubyte.gz"):
            return Part(labels, None, files, transposed)
    return Part(labels, images if kept.all() else images[kept])


def _map(labels, lookup, path):
    """Give labels in the data set, and a mask of what belongs to it."""
    mapped = lookup[labels]
    if (mapped == -2).any():
        possible = np.flatnonzero(lookup > -2)
        raise UserError(
            f"{path} should hold labels from {possible[0]} to {possible[-1]}, but holds {labels[mapped == -2][0]}: set "
            "the dataset in params.yaml that the files are of"
        )
    kept = mapped >= 0
    if not kept.any():
        raise UserError(f"{path} should hold labels of the dataset in params.yaml, but holds none: set another")
    return mapped[kept].astype(np.uint8), kept


def _find_csv(folder, name):
    stem = "mnist_" if name == "mnist" else f"emnist-{name}-"
    files = [folder / f"{stem}{part}.csv" for part in ("train", "test")]
    there = [path for path in files if path.is_file()]
    if not there:
        return None
    if len(there) == 1:
        missing = next(path for path in files if path not in there)
        raise UserError(f"expected {files[0].name} and {files[1].name}, but could not find {missing}: put it there")
    return [(path,) for path in files]


def _load_csv(path, transposed):
    """Load upright images and labels from rows of a label and 784 pixels, with or without a header."""
    import pandas as pd

    def error(reason):
        return UserError(f"{path} should hold rows of a label and 784 pixels from 0 to 255, but {reason}: get it again")

    with open(path, "rb") as file:
        first = file.readline(10_000)
        count = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**22), b"")) + 1
    if count > MAX_ITEMS:
        raise error(f"has {count:,}, more than {MAX_ITEMS:,}")
    header = None if first[:1].isdigit() else 0
    images, labels, start = np.empty((count, SIDE, SIDE), np.uint8), np.empty(count, np.uint8), 0
    try:
        with pd.read_csv(path, header=header, chunksize=CSV_ROWS, dtype=np.int64, na_filter=False) as chunks:
            for chunk in progress(chunks, f"reading {path.name}", -(-count // CSV_ROWS), "blocks"):
                values = chunk.to_numpy()
                if values.shape[1] != 785:
                    raise error(f"has rows of {values.shape[1]} columns")
                if values.min() < 0 or values.max() > 255:
                    row, column = np.argwhere((values < 0) | (values > 255))[0]
                    raise error(f"row {start + row + 1} holds {values[row, column]}")
                block = values[:, 1:].reshape(-1, SIDE, SIDE)
                images[start : start + len(values)] = block.swapaxes(1, 2) if transposed else block
                labels[start : start + len(values)] = values[:, 0]
                start += len(values)
    except (ValueError, OverflowError, pd.errors.ParserError, pd.errors.EmptyDataError) as problem:
        raise error(f"a row after number {start} is not so ({' '.join(str(problem).split())[:100]})") from None
    return images[:start], labels[:start]


def _find_pictures(folder, dataset):
    """Find pictures in a folder a class, below ``train`` and ``test`` or without these."""
    train, test = folder / "train", folder / "test"
    both = test.is_dir()
    if not train.is_dir():
        if both:
            raise UserError(f"{folder} holds a folder test, but no folder train: put the pictures to train with there")
        train = folder
    if not train.is_dir() or not any(entry.is_dir() and entry.name[0] != "." for entry in os.scandir(train)):
        return None
    names = _load_classes(folder) if (folder / CLASSES_FILE).is_file() else {}
    listed = [_list_pictures(part, dataset, names) for part in ([train, test] if both else [train])]
    if not any(map(len, listed)):
        return None
    classes = classes_of(dataset)
    if lacking := [c for k, c in enumerate(classes) if not any(label == k for _, label in listed[0])]:
        raise UserError(
            f"{train} should hold pictures of each character in dataset, but has none of {', '.join(lacking[:20])}: add "
            "them, or leave the characters out of dataset in params.yaml"
        )

    def load():
        parts = [_read_pictures(part) for part in listed]
        if both:
            return parts
        labels, images = parts[0].labels, parts[0].images
        chosen = np.zeros(len(labels), bool)
        chosen[stratified(labels, max(round(TEST_SHARE * len(labels)), 1), np.random.default_rng(0))] = True
        log(f"{folder}: no folder test, so {chosen.sum():,} of {len(labels):,} pictures are set aside for testing")
        return [Part(labels[~chosen], images[~chosen]), Part(labels[chosen], images[chosen])]

    return Found(load, "" if both else f"{TEST_SHARE:.0%} set aside for testing")


def _list_pictures(folder, dataset, names):
    """List the pictures in a folder's folders, each with its label."""
    found = []
    for each in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
        entries = sorted(path for path in each.iterdir() if path.name[0] != ".")
        if inner := [path for path in entries if path.is_dir()]:
            raise UserError(
                f"{printable(each)} should hold pictures of one character, but holds folders, such as "
                f"{printable(inner[0].name)}: move the pictures up, or name the folder above in params.yaml"
            )
        pictures = [path for path in entries if path.suffix.lower() in SUFFIXES]
        if pictures:
            label = _class_of(names.get(each.name, each.name), dataset, each)
            found += [(path, label) for path in pictures]
    if len(found) > MAX_ITEMS:
        raise UserError(f"{folder} should hold at most {MAX_ITEMS:,} pictures, but holds {len(found):,}")
    return found


def _read_pictures(listed):
    """Convert pictures as `emnist predict` does; what cannot be read is named and left out."""
    images, errors = np.empty((len(listed), SIDE, SIDE), np.uint8), {}
    starts = range(0, len(listed), PICTURES_AT_ONCE)
    tasks = {start: ([str(path) for path, _ in listed[start : start + PICTURES_AT_ONCE]],) for start in starts}
    workers = None if len(tasks) > 4 else 1  # processes take longer to start
    results = run_in_workers("reading pictures", _read_some, tasks, workers, "close other programs")
    for start, (read, failed) in progress(results, "reading pictures", len(tasks), f"x {PICTURES_AT_ONCE} pictures"):
        images[start : start + len(read)] = read
        errors |= {start + number: message for number, message in failed.items()}
    for number in sorted(errors)[:20]:
        log(f"left out: {errors[number]}")
    if len(errors) > MAX_BAD * len(listed):
        raise UserError(
            f"{len(errors):,} of {len(listed):,} pictures cannot be read, which is more than {MAX_BAD:.0%}, such as: "
            f"{errors[min(errors)]}"
        )
    good = np.ones(len(listed), bool)
    good[list(errors)] = False
    return Part(np.array([label for _, label in listed], np.uint8)[good], images[good] if errors else images)


def _read_some(paths):
    images, errors = np.zeros((len(paths), SIDE, SIDE), np.uint8), {}
    for number, path in enumerate(paths):
        try:
            images[number] = read_character(path)
        except UserError as error:
            errors[number] = str(error)
    return images, errors
