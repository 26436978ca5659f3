"""The official EMNIST archive and MNIST, downloaded from mirrors."""

import shutil
import zipfile

from pydantic import Field

from emnist.data.classes import TITLES
from emnist.data.datasets import EMNIST_PARTS, MNIST_PARTS, paths
from emnist.sources._formats import load_folder
from emnist.sources._http import Mirror, fetch
from emnist.sources._parts import write_parts
from emnist.utils.checkpoint import checkpoint_dir
from emnist.utils.errors import UserError
from emnist.utils.locks import exclusive_lock
from emnist.utils.schema import Section

TITLE = TITLES["byclass"]
ANOTHER_RUN = "another run that is downloading the same files"

CHECKSUMS = {  # images and labels of each part, as published in torchvision.datasets.MNIST
    "train": ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432"),
    "t10k": ("9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c"),
}
MNIST_MD5 = {path.name: md5 for part, pair in CHECKSUMS.items() for path, md5 in zip(paths("", part), pair)}


class Options(Section):
    """The mirrors of both data sets, in the order in which they are tried."""

    mirrors: list[Mirror] = Field(min_length=1)
    mnist_mirrors: list[str] = Field(min_length=1)


def obtain(options, raw, dataset="byclass", with_digits=True):
    """Download EMNIST and, if `with_digits`, MNIST, and write their files, four each, to the folder `raw`."""
    if not isinstance(dataset, str):
        raise UserError(
            f"source: emnist has the data sets {', '.join(TITLES)}, but dataset in params.yaml is a list of characters: "
            "set one of these, or `source: folder` with pictures of the characters"
        )
    work = checkpoint_dir() / "download-emnist"
    if dataset != "mnist":
        download_emnist(options.mirrors, raw, work, dataset)
    if with_digits or dataset == "mnist":
        download_mnist(options.mnist_mirrors, raw, work, dataset == "mnist", with_digits)
    return TITLES[dataset]


def download_emnist(mirrors, raw, work, dataset="byclass"):
    """Download EMNIST's archive and extract the four files of a data set, one of `emnist.data.classes.DATASETS`.

    Parameters
    ----------
    mirrors : sequence of Mirror
        Of the archive.
    raw : path-like
        Folder to which the files are written.
    work : path-like
        Folder of downloads, which an interrupted call resumes and a later call reuses. Processes that share it take
        turns.

    Raises
    ------
    UserError
        If no mirror sends the archive, or if a file in it is missing or damaged.
    """
    with exclusive_lock(work, ANOTHER_RUN) as work:
        extracted = [work / path.name.replace("byclass", dataset) for part in EMNIST_PARTS for path in paths("", part)]
        by_hand = [*(path.name for path in extracted), "and MNIST's four files"]
        archive = fetch(mirrors, work / "gzip.zip", by_hand)
        for path in extracted:
            _extract(archive, f"gzip/{path.name}", path)
        write_parts([load_folder(work, dataset)[:2]], raw, EMNIST_PARTS, transposed=True)
        for path in extracted:
            path.unlink()


def download_mnist(mirrors, raw, work, as_characters=False, as_digits=True):
    """Download the four files of MNIST, as `download_emnist` does; `mirrors` are the addresses (str) of folders.

    They are written as those of the characters, of the digits, or both.
    """
    with exclusive_lock(work, ANOTHER_RUN) as work:
        for name, md5 in MNIST_MD5.items():
            of_file = [Mirror(url=f"{folder.rstrip('/')}/{name}", md5=md5) for folder in mirrors]
            fetch(of_file, work / name, ["the four emnist-byclass-*.gz files", *MNIST_MD5])
        loaded = load_folder(work, "mnist")[:2]
        if as_characters:
            write_parts([loaded], raw, EMNIST_PARTS, transposed=True)
        if as_digits:
            write_parts([loaded], raw, MNIST_PARTS, transposed=False)


def _extract(archive, name, path):
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(name) as member, open(path, "wb") as file:
            shutil.copyfileobj(member, file)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    except Exception as error:  # zipfile raises a dozen kinds of errors for damaged archives.
        reason = f"it has no member {name}" if isinstance(error, KeyError) else f"it is damaged ({error})"
        raise UserError(
            f"{archive} should be EMNIST's archive, but {reason}: set another mirror in params.yaml"
        ) from None
