"""Folders of one's own files; all of them are read and checked before any is written."""

import mmap
from pathlib import Path

import numpy as np
from pydantic import model_validator

from emnist.data import idx
from emnist.data.classes import MAX_CLASSES
from emnist.data.datasets import EMNIST_PARTS, MNIST_PARTS, paths
from emnist.data.idx import MAX_ITEMS
from emnist.sources._formats import Part, find, has_mnist
from emnist.sources.sample import write_digits
from emnist.utils.atomic import write_bytes
from emnist.utils.checkpoint import repo_root
from emnist.utils.errors import UserError
from emnist.utils.progress import log
from emnist.utils.schema import Section, Strings

TITLE = "images from a folder"


class Options(Section):
    """The folders of characters and of MNIST; if `mnist` is None, the first of `emnist` may hold both.

    `upright`: whether EMNIST's files and CSV hold their images upright, and not transposed as the official ones.
    """

    emnist: Strings[str] | None
    mnist: str | None
    upright: bool = False

    @model_validator(mode="after")
    def is_not_the_destination(self):
        folders = [*(self.emnist or []), *filter(None, [self.mnist])]
        if any(Path(folder).resolve() == Path("data/raw").resolve() for folder in folders):
            raise ValueError(
                "should not be data/raw, which is emptied before files are copied to it (move your files elsewhere)"
            )
        return self


def obtain(options, raw, dataset="byclass", with_digits=True):
    """Write the files of characters and, if `with_digits`, those of digits to `raw`; return what titles call them.

    Relative paths start at the root of the checkout, also in a queued experiment. Where there is no MNIST, the digits
    are scikit-learn's.
    """
    if options.emnist is None:
        raise UserError(
            "params.yaml: source is folder, but download.folder.emnist is null: set it to the path of the "
            "folder that holds your images"
        )
    emnist = [_absolute(folder) for folder in options.emnist]
    mnist = _absolute(options.mnist) if options.mnist else emnist[0] if has_mnist(emnist[0]) else None
    notes = copy_folders(emnist, mnist if with_digits else None, raw, dataset, options.upright)
    if with_digits and not mnist:
        log(f"{emnist[0]} holds no MNIST: the transfer uses scikit-learn's 1,797 digits")
        write_digits(raw)
    return ", ".join([TITLE, *notes])


def _absolute(folder):
    return repo_root() / Path(folder).expanduser()


def copy_folders(emnist, mnist, raw, dataset="byclass", upright=False):
    """Write the four files of characters and, if there is a folder `mnist`, the four of MNIST to the folder `raw`.

    The folders `emnist` are in any form that `emnist.sources._formats.find` finds; their images are written to one file,
    in the order given. Returned is a list of what titles should say of them. If a file is missing or damaged, `UserError`
    says so, and nothing is written.
    """
    found = [find(Path(folder), dataset, upright) for folder in emnist]
    digits = [find(Path(mnist), "mnist")] if mnist else []
    loaded, loaded_digits = ([load() for load, _ in each] for each in (found, digits))
    write_parts(loaded, raw, EMNIST_PARTS, transposed=True)
    write_parts(loaded_digits, raw, MNIST_PARTS, transposed=False)
    return list(dict.fromkeys(note for _, note in found if note))


def write_parts(loaded, raw, names, transposed):
    """Write training and test images of several folders, a list of pairs of `Part`, together.

    `names` are `EMNIST_PARTS`, whose files hold each image `transposed`, or `MNIST_PARTS`.
    """
    if (count := max((sum(len(part.labels) for part in parts) for parts in zip(*loaded)), default=0)) > MAX_ITEMS:
        raise UserError(
            f"the folders should hold at most {MAX_ITEMS:,} images together, but hold {count:,}: leave one out"
        )
    for name, parts in zip(names, zip(*loaded)):
        targets = paths(raw, name)
        if len(parts) == 1 and parts[0].copied and parts[0].transposed == transposed:
            for source, target in zip(parts[0].copied, targets):
                with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    write_bytes(target, content)
            continue
        labels = np.concatenate([part.labels for part in parts])
        idx.write_image_blocks(targets[0], len(labels), map(_images_of, parts), transposed)
        idx.write_labels(targets[1], labels)


def as_written(folder, name, transposed):
    """Return as a `Part` what `write_parts` has written to a folder."""
    copied = paths(folder, name)
    return Part(idx.load_labels(copied[1], MAX_CLASSES), None, copied, transposed)


def _images_of(part):
    return idx.load_images(part.copied[0], part.transposed) if part.copied else part.images
