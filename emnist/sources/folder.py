"""Files in the official layout that lie in a folder, read in full before any of them is taken over."""

import mmap
from pathlib import Path

from emnist.data.classes import CHARACTERS
from emnist.data.idx import read_pair
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError


def emnist_files(folder):
    """List each pair of images and labels of EMNIST ByClass in `folder`, with the number of classes."""
    return _pairs(folder, ("emnist-byclass-train", "emnist-byclass-test"), len(CHARACTERS))


def mnist_files(folder):
    """List each pair of images and labels of MNIST in `folder`, with the number of classes."""
    return _pairs(folder, ("train", "t10k"), 10)


def _pairs(folder, parts, classes):
    folder = Path(folder).expanduser()
    return [
        (folder / f"{part}-images-idx3-ubyte.gz", folder / f"{part}-labels-idx1-ubyte.gz", classes) for part in parts
    ]


def copy_folder(emnist, mnist, raw):
    """Copy the four files of EMNIST ByClass and the four of MNIST to `raw`, if all of them are sound.

    Parameters
    ----------
    emnist, mnist : path-like
        The folders, perhaps one and the same, in which they lie under their official names.
    raw : path-like

    Raises
    ------
    UserError
        If one is missing or damaged; then nothing is copied.
    """
    copy_files([*emnist_files(emnist), *mnist_files(mnist)], raw)


def copy_files(pairs, raw):
    """Copy files listed by `emnist_files` or `mnist_files` to `raw`; raises as `copy_folder` does."""
    files = [path for images, labels, _ in pairs for path in (images, labels)]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise UserError(
            f"expected {len(files)} gzipped files under their official names, but missing are "
            f"{', '.join(missing)}: put them there, or set another folder in params.yaml"
        )
    for images, labels, classes in pairs:
        read_pair(images, labels, classes)
    for path in files:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            write_bytes(Path(raw) / path.name, content)
