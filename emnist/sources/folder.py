"""A folder of files in the official layout; all of them are read and checked before any is copied."""

import mmap
from pathlib import Path

from pydantic import model_validator

from emnist.data.classes import CHARACTERS
from emnist.data.idx import read_pair
from emnist.params import Section
from emnist.utils.atomic import write_bytes
from emnist.utils.checkpoint import repo_root
from emnist.utils.errors import UserError

TITLE = "images from a folder"


class Options(Section):
    """The folders of EMNIST ByClass and of MNIST; if `mnist` is None, `emnist` holds both."""

    emnist: str | None
    mnist: str | None

    @model_validator(mode="after")
    def is_not_the_destination(self):
        if any(folder and Path(folder).resolve() == Path("data/raw").resolve() for folder in (self.emnist, self.mnist)):
            raise ValueError(
                "should not be data/raw, which is emptied before files are copied to it (move your files elsewhere)"
            )
        return self


def obtain(options, raw):
    """Copy the eight files to `raw`; relative paths start at the root of the checkout, also in a queued experiment."""
    if options.emnist is None:
        raise UserError(
            "params.yaml: source is folder, but download.folder.emnist is null: set it to the path of the "
            "folder that holds the emnist-byclass-*.gz files"
        )
    emnist = repo_root() / options.emnist
    copy_folder(emnist, repo_root() / options.mnist if options.mnist else emnist, raw)


def emnist_files(folder):
    """List the files of EMNIST ByClass in `folder`, as tuples of (images, labels, number of classes)."""
    return _pairs(folder, ("emnist-byclass-train", "emnist-byclass-test"), len(CHARACTERS))


def mnist_files(folder):
    """List the files of MNIST in `folder`, as tuples of (images, labels, number of classes)."""
    return _pairs(folder, ("train", "t10k"), 10)


def _pairs(folder, parts, classes):
    folder = Path(folder).expanduser()
    return [
        (folder / f"{part}-images-idx3-ubyte.gz", folder / f"{part}-labels-idx1-ubyte.gz", classes) for part in parts
    ]


def copy_folder(emnist, mnist, raw):
    """Copy the four files of EMNIST ByClass and the four of MNIST, if all are sound.

    Parameters
    ----------
    emnist, mnist : path-like
        Folders that hold the files with their official names; may be the same.
    raw : path-like
        Folder to which the files are copied.

    Raises
    ------
    UserError
        If a file is missing or damaged; then nothing is copied.
    """
    copy_files([*emnist_files(emnist), *mnist_files(mnist)], raw)


def copy_files(pairs, raw):
    """Copy `pairs`, as listed by `emnist_files` or `mnist_files`, to `raw`; raise `UserError` as `copy_folder` does."""
    files = [path for images, labels, _ in pairs for path in (images, labels)]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise UserError(
            f"expected {len(files)} gzipped files with their official names, but could not find "
            f"{', '.join(missing)}: put them there, or set another folder in params.yaml"
        )
    for images, labels, classes in pairs:
        read_pair(images, labels, classes)
    for path in files:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            write_bytes(Path(raw) / path.name, content)
