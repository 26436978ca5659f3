"""The files that people have: IDX, CSV, and folders of pictures. What a folder holds is found by looking."""

import csv
import os
import unicodedata
from pathlib import Path

import numpy as np

from emnist.data.classes import DATASETS, FIRST_LABELS, TITLES, classes_of, from_byclass
from emnist.data.datasets import MNIST_PARTS
from emnist.data.idx import MAX_ITEMS, SIDE, load_pair
from emnist.data.subsets import stratified
from emnist.reading.pictures import SUFFIXES, read_character
from emnist.sources._parts import Part
from emnist.utils.errors import UserError, printable
from emnist.utils.progress import log, progress
from emnist.utils.workers import run_in_workers

# Where the files of IDX lie: as downloaded, as torchvision leaves them, as the official archive is unpacked.
PLACES = ("", "EMNIST/raw", "MNIST/raw", "raw", "gzip")
CLASSES_FILE = "classes.csv"
KEPT = "characters"  # how the files of `emnist serve --keep` are called if they are of other classes than ByClass's
TEST_SHARE = 0.2  # of pictures without a test folder
MAX_BAD = 0.01  # of the pictures may be unreadable
CSV_ROWS = 4096  # read at once
PICTURES_AT_ONCE = 64  # by one process
MADE_FROM_BYCLASS = ("bymerge", "letters", "digits")  # Balanced is a random choice that nobody can make again


def load_folder(folder, dataset, upright=False):
    """Find the files of a data set in a folder, and load them.

    Parameters
    ----------
    folder : pathlib.Path
    dataset : str or list of str
        As in `emnist.data.classes`.
    upright : bool
        Whether EMNIST's files and CSV hold their images upright, and not transposed as the official ones. MNIST's do.

    Returns
    -------
    train, test : Part
    note : str
        What a title should say beside the folder, or "".

    Raises
    ------
    UserError
        If there are none, or some are missing.
    """
    names = [KEPT] if (folder / CLASSES_FILE).is_file() else []
    names += [dataset] if isinstance(dataset, str) else []
    names += ["byclass"] if dataset in MADE_FROM_BYCLASS else []
    for name in names:
        stem = name if name == KEPT else f"emnist-{name}"
        parts = MNIST_PARTS if name == "mnist" else (f"{stem}-train", f"{stem}-test")
        if pairs := _find_idx(folder, parts) or _find_csv(folder, name):
            lookup, transposed = _lookup(folder, name, dataset), name != "mnist" and not upright
            note = f"{TITLES[dataset]} made of ByClass" if name == "byclass" != dataset else ""
            if note:
                log(f"{folder}: {note}, by the mapping of Cohen et al. (2017); it is not the official selection")
            return *(_load(pair, lookup, transposed) for pair in pairs), note
    return _load_pictures(folder, dataset)


def has_mnist(folder):
    """Tell whether a folder holds a file of MNIST."""
    return any(_idx_paths(folder, MNIST_PARTS)) or (folder / "mnist_train.csv").is_file()


def _nothing_found(folder, dataset):
    if not folder.is_dir():
        return f"{folder} should be a folder of images, but is none: set download.folder in params.yaml"
    wanted, files = "a list of characters", ""
    if isinstance(dataset, str):
        wanted, files = (
            dataset,
            f"the four emnist-{dataset}-*-ubyte.gz files, emnist-{dataset}-train.csv and -test.csv, or ",
        )
    if dataset == "mnist":
        files = "MNIST's four files, mnist_train.csv and mnist_test.csv, or "
    if others := [name for name in DATASETS if name != dataset and any(folder.rglob(f"emnist-{name}-*"))]:
        return (
            f"{folder} holds files of {', '.join(others)}, but dataset in params.yaml is {wanted}: set dataset to "
            f"{others[0]}, or another folder"
        )
    return (
        f"{folder} should hold {files}a folder of pictures for each character, but holds none of these: put them there, or "
        "set another folder in params.yaml"
    )


def _lookup(folder, name, dataset):
    """Give the label in `dataset` of each label (256,) in files of the data set `name`; -1: left out, -2: impossible."""
    lookup = np.full(256, -2)
    if name == KEPT:
        for label, character in _load_classes(folder).items():
            if label not in map(str, range(256)):
                raise UserError(
                    f"{folder / CLASSES_FILE} should name labels from 0 to 255, but has {label!r:.40}: fix it"
                )
            lookup[int(label)] = _class_of(character, dataset, folder / CLASSES_FILE)
        return lookup
    count, first = len(DATASETS[name]), FIRST_LABELS.get(name, 0)
    lookup[first : first + count] = from_byclass(dataset) if name == "byclass" else np.arange(count)
    return lookup


def _load_classes(folder):
    """Read the characters by the name of a folder, or by a label, from `CLASSES_FILE`."""
    path = folder / CLASSES_FILE
    try:
        header, *rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
        if len(header) == 2 and header[1] == "character":
            return dict(rows)
    except (ValueError, csv.Error):
        pass
    raise UserError(
        f"{path} should be a table in UTF-8 whose first line is folder,character and whose others name a folder and its "
        "character, but is not: fix it"
    )


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
    for stem in (f"{part}-{kind}" for part in parts for kind in ("images?idx3", "labels?idx1")):
        names = [stem.replace("?", dot) + ending for ending in ("-ubyte.gz", "-ubyte") for dot in "-."]
        paths = (Path(folder, place, name) for place in PLACES for name in names)
        found.append(next((path for path in paths if path.is_file()), None))
    return found


def _find_idx(folder, parts):
    found = _idx_paths(folder, parts)
    if not any(found):
        return None
    place = next(path.parent for path in found if path)
    official = [place / f"{part}-{kind}-ubyte.gz" for part in parts for kind in ("images-idx3", "labels-idx1")]
    if missing := [str(path) for path, there in zip(official, found) if not there]:
        raise UserError(
            f"expected four files with their official names, but could not find {', '.join(missing)}: put them there, or "
            "set another folder in params.yaml"
        )
    return [tuple(found[:2]), tuple(found[2:])]


def _find_csv(folder, name):
    files = [folder / f"{'mnist_' if name == 'mnist' else f'emnist-{name}-'}{part}.csv" for part in ("train", "test")]
    missing = [path for path in files if not path.is_file()]
    if len(missing) == 1:
        raise UserError(f"expected {files[0].name} and {files[1].name}, but could not find {missing[0]}: put it there")
    return None if missing else [(path,) for path in files]


def _load(files, lookup, transposed):
    """Load the `Part` in a file of CSV, or in two of IDX, whose labels become others by `lookup`."""
    possible = np.flatnonzero(lookup > -2)
    if len(files) == 1:
        images, labels = _load_csv(*files, transposed)
    else:
        images, labels = load_pair(*files, possible[-1] + 1, transposed)
    mapped = lookup[labels]
    if (mapped == -2).any() or (mapped < 0).all():
        raise UserError(
            f"{files[-1]} should hold labels from {possible[0]} to {possible[-1]}, but holds {labels[mapped < 0][0]}: set the "
            "dataset in params.yaml that the files are of"
        )
    official = all(path.name.endswith(("-idx3-ubyte.gz", "-idx1-ubyte.gz")) for path in files)
    if official and np.array_equal(lookup[: len(possible)], range(len(possible))):
        return Part(labels, None, files, transposed)
    kept = mapped >= 0
    return Part(mapped[kept].astype(np.uint8), images if kept.all() else images[kept])


def _load_csv(path, transposed):
    """Load upright images and labels from rows of a label and 784 pixels, with or without a header."""
    import pandas as pd

    def error(reason):
        return UserError(f"{path} should hold rows of a label and 784 pixels from 0 to 255, but {reason}: get it again")

    with open(path, "rb") as file:
        header = None if file.read(1).isdigit() else 0
        count = 1 + sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**22), b""))
    if count > MAX_ITEMS:
        raise error(f"has {count:,}, more than {MAX_ITEMS:,}")
    images, labels, start = np.empty((count, SIDE, SIDE), np.uint8), np.empty(count, np.uint8), 0
    try:
        with pd.read_csv(path, header=header, chunksize=CSV_ROWS, dtype=np.int64, na_filter=False) as chunks:
            for chunk in progress(chunks, f"reading {path.name}", -(-count // CSV_ROWS), "blocks"):
                values, end = chunk.to_numpy(), start + len(chunk)
                if values.shape[1] != 785:
                    raise error(f"has rows of {values.shape[1]} columns")
                if (wrong := np.argwhere((values < 0) | (values > 255))).size:
                    row, column = wrong[0]
                    raise error(f"row {start + row + 1} holds {values[row, column]}")
                block = values[:, 1:].reshape(-1, SIDE, SIDE)
                images[start:end] = block.swapaxes(1, 2) if transposed else block
                labels[start:end], start = values[:, 0], end
    except (ValueError, OverflowError) as problem:  # pandas' own are of the first
        raise error(f"a row after number {start} is not so ({' '.join(str(problem).split())[:100]})") from None
    return images[:start], labels[:start]


def _load_pictures(folder, dataset):
    """Load pictures from a folder a class, below ``train`` and ``test`` or without these, as `load_folder` does."""
    train, test = folder / "train", folder / "test"
    if test.is_dir() and not train.is_dir():
        raise UserError(f"{folder} holds a folder test, but no folder train: put the pictures to train with there")
    train = train if train.is_dir() else folder
    names = _load_classes(folder) if (folder / CLASSES_FILE).is_file() else {}
    listed = [_list_pictures(part, dataset, names) for part in (train, test) if part.is_dir()]
    if not any(listed):
        raise UserError(_nothing_found(folder, dataset))
    parts = [_read_pictures(part) for part in listed]
    if len(parts) == 2:
        return *parts, ""
    labels, images, *_ = parts[0]
    chosen = np.zeros(len(labels), bool)
    chosen[stratified(labels, max(round(TEST_SHARE * len(labels)), 1), np.random.default_rng(0))] = True
    log(f"{folder}: no folder test, so {chosen.sum():,} of {len(labels):,} pictures are set aside for testing")
    return *(Part(labels[part], images[part]) for part in (~chosen, chosen)), f"{TEST_SHARE:.0%} set aside for testing"


def _list_pictures(folder, dataset, names):
    """List the pictures in a folder's folders, each with its label."""
    found = []
    for each in sorted(Path(entry) for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."):
        pictures = []
        for entry in os.scandir(each):
            if entry.is_dir() and entry.name[0] != ".":
                raise UserError(
                    f"{printable(each)} should hold pictures of one character, but holds folders, such as "
                    f"{printable(entry.name)}: move the pictures up, or name the folder above in params.yaml"
                )
            if entry.name.lower().endswith(SUFFIXES) and entry.name[0] != ".":
                pictures.append(entry.path)
        if pictures:
            label = _class_of(names.get(each.name, each.name), dataset, each)
            found += [(path, label) for path in sorted(pictures)]
    if len(found) > MAX_ITEMS:
        raise UserError(
            f"{folder} should hold at most {MAX_ITEMS:,} pictures, but holds {len(found):,}: leave some out"
        )
    return found


def _read_pictures(listed):
    """Convert pictures as `emnist predict` does; what cannot be read is named and left out."""
    images, errors = np.empty((len(listed), SIDE, SIDE), np.uint8), {}
    starts = range(0, len(listed), PICTURES_AT_ONCE)
    tasks = {start: ([path for path, _ in listed[start : start + PICTURES_AT_ONCE]],) for start in starts}
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
    labels, bad = np.array([label for _, label in listed], np.uint8), list(errors)
    return Part(np.delete(labels, bad), np.delete(images, bad, axis=0) if bad else images)


def _read_some(paths):
    images, errors = np.zeros((len(paths), SIDE, SIDE), np.uint8), {}
    for number, path in enumerate(paths):
        try:
            images[number] = read_character(path)
        except UserError as error:
            errors[number] = str(error)
    return images, errors
