"""Folders of one's own files; all of them are read and checked before any is written."""

from pathlib import Path

from pydantic import model_validator

from emnist.data.datasets import EMNIST_PARTS, MNIST_PARTS
from emnist.sources._digits import write_digits
from emnist.sources._formats import has_mnist, load_folder
from emnist.sources._parts import write_parts
from emnist.utils.errors import UserError
from emnist.utils.progress import log
from emnist.utils.schema import Section, Strings
from emnist.utils.stage import repo_root

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

    The folders `emnist` are in any form that `emnist.sources._formats.load_folder` finds; their images are written to one
    file, in the order given. Returned is a list of what titles should say of them. If a file is missing or damaged,
    `UserError` says so, and nothing is written.
    """
    characters = [load_folder(Path(folder), dataset, upright) for folder in emnist]
    digits = [load_folder(Path(mnist), "mnist")] if mnist else []
    for loaded, names, transposed in ((characters, EMNIST_PARTS, True), (digits, MNIST_PARTS, False)):
        write_parts([parts for *parts, _ in loaded], raw, names, transposed)
    return list(dict.fromkeys(note for *_, note in characters if note))
