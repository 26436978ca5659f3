"""Folders of files in the official layout; all of them are checked before any is copied."""

import mmap
from collections import Counter, defaultdict
from pathlib import Path

from pydantic import model_validator

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import EMNIST_PARTS, MNIST_PARTS, paths
from emnist.data.idx import MAX_ITEMS, concatenate, load_pair
from emnist.utils.atomic import write_bytes
from emnist.utils.checkpoint import repo_root
from emnist.utils.errors import UserError
from emnist.utils.schema import Section, Strings

TITLE = "images from a folder"


class Options(Section):
    """The folders of EMNIST ByClass and of MNIST; if `mnist` is None, the first of `emnist` holds both."""

    emnist: Strings[str] | None
    mnist: str | None

    @model_validator(mode="after")
    def is_not_the_destination(self):
        folders = [*(self.emnist or []), *filter(None, [self.mnist])]
        if any(Path(folder).resolve() == Path("data/raw").resolve() for folder in folders):
            raise ValueError(
                "should not be data/raw, which is emptied before files are copied to it (move your files elsewhere)"
            )
        return self


def obtain(options, raw, with_digits=True):
    """Copy the files of characters and, if `with_digits`, those of digits to `raw`.

    Relative paths start at the root of the checkout, also in a queued experiment.
    """
    if options.emnist is None:
        raise UserError(
            "params.yaml: source is folder, but download.folder.emnist is null: set it to the path of the "
            "folder that holds the emnist-byclass-*.gz files"
        )
    emnist = [_absolute(folder) for folder in options.emnist]
    mnist = _absolute(options.mnist) if options.mnist else emnist[0]
    copy_folders(emnist, mnist if with_digits else None, raw)


def _absolute(folder):
    return repo_root() / Path(folder).expanduser()


def list_files(folder, parts):
    """List the files of `EMNIST_PARTS` or `MNIST_PARTS` in `folder`, as tuples of (images, labels, number of classes)."""
    return [(*paths(folder, part), 10 if part in MNIST_PARTS else len(CHARACTERS)) for part in parts]


def copy_folders(emnist, mnist, raw):
    """Copy the four files of EMNIST ByClass and the four of MNIST, if all are sound.

    Parameters
    ----------
    emnist : sequence of path-like
        Folders that hold the files of EMNIST ByClass with their official names. The images of several folders are
        written to one file, in the order given.
    mnist : path-like or None
        Folder that holds the files of MNIST; may be one of `emnist`. None: they are not copied.
    raw : path-like
        Folder to which the files are copied.

    Raises
    ------
    UserError
        If a file is missing or damaged; then nothing is copied.
    """
    pairs = [pair for folder in emnist for pair in list_files(folder, EMNIST_PARTS)]
    copy_files(pairs + (list_files(mnist, MNIST_PARTS) if mnist else []), raw)


def copy_files(pairs, raw):
    """Copy `pairs`, as listed by `list_files`, to `raw`; raise `UserError` as `copy_folders` does."""
    files = [path for images, labels, _ in pairs for path in (images, labels)]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise UserError(
            f"expected {len(files)} gzipped files with their official names, but could not find "
            f"{', '.join(missing)}: put them there, or set another folder in params.yaml"
        )
    counts = Counter()
    for images, labels, classes in pairs:
        counts[images.name] += len(load_pair(images, labels, classes)[1])
    name, count = counts.most_common(1)[0]
    if count > MAX_ITEMS:
        raise UserError(
            f"the files {name} should hold at most {MAX_ITEMS:,} images together, but hold {count:,}: leave one out"
        )
    by_name = defaultdict(list)
    for path in files:
        by_name[path.name].append(path)
    for name, sources in by_name.items():
        if len(sources) > 1:
            concatenate(sources, Path(raw) / name, "images" if "-images-" in name else "labels")
            continue
        with open(sources[0], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            write_bytes(Path(raw) / name, content)
