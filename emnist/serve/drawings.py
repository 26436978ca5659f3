"""Drawings kept for training, in EMNIST's official layout."""

import unicodedata
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from emnist.data import idx
from emnist.data.classes import CHARACTERS
from emnist.data.files import write_csv
from emnist.utils.errors import UserError

TEST_EVERY = 7  # the second of each seven is a test image, as of EMNIST's images one in seven is


class Drawings:
    """A folder of drawings that ``source: folder`` reads, once it holds two.

    Parameters
    ----------
    folder : path-like
        Created if it is missing; may hold drawings that were kept earlier.
    classes : sequence of str
        The characters that drawings may show. Others than ByClass's are written to `classes.csv` too.

    Raises
    ------
    UserError
        If the folder cannot be used, or what lies in it is damaged.
    """

    LIMIT = 1000  # drawings

    def __init__(self, folder, classes=CHARACTERS):
        self.folder, self.classes = Path(folder), tuple(classes)
        self.dataset = "emnist-byclass" if self.classes == tuple(CHARACTERS) else "characters"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock = FileLock(self.folder / ".lock", fallback_to_soft=False)  # until this process ends
            self.lock.acquire(blocking=False)
        except Timeout:
            raise UserError(f"{folder} is where another server keeps its drawings: name another folder") from None
        except OSError as error:
            raise UserError(
                f"{folder} should be a folder to keep drawings in, but cannot be used ({error.strerror}): name another"
            ) from None
        self.count = sum(len(self._read(part)[1]) for part in ("train", "test"))

    def keep(self, image, character):
        """Append a drawing.

        Parameters
        ----------
        image : bytes, or numpy.ndarray of uint8, shape (28, 28)
            Upright, white on black.
        character : str
            What it shows.

        Raises
        ------
        UserError
            If there is no such class, or `LIMIT` drawings are kept.
        """
        if isinstance(character, str):
            character = unicodedata.normalize("NFC", character)
        if character not in self.classes:
            raise UserError(f"the character should be one of {''.join(self.classes)}, but is {character!r:.60}")
        if self.count >= self.LIMIT:
            raise UserError(
                f"{self.count:,} drawings are kept, which is the most: start the server with another folder"
            )
        part = "test" if self.count % TEST_EVERY == 1 else "train"
        images, labels = self._read(part)
        image = np.frombuffer(image, np.uint8).reshape(1, idx.SIDE, idx.SIDE)
        # The images are written first: if the labels are not, the next drawing drops the image without one.
        idx.write_images(self._path(part, "images-idx3"), np.append(images, image, axis=0), transposed=True)
        label = np.uint8(self.classes.index(character))
        if self.dataset == "characters":
            write_csv(self.folder / "classes.csv", ["label", "character"], enumerate(self.classes))
        idx.write_labels(self._path(part, "labels-idx1"), np.append(labels, label))
        self.count += 1

    def _path(self, part, kind):
        return self.folder / f"{self.dataset}-{part}-{kind}-ubyte.gz"

    def _read(self, part):
        images, labels = self._path(part, "images-idx3"), self._path(part, "labels-idx1")
        if not labels.exists():
            return np.empty((0, idx.SIDE, idx.SIDE), np.uint8), np.empty(0, np.uint8)
        kept = idx.load_images(images, transposed=True)
        found = idx.load_labels(labels, len(self.classes))
        if len(kept) < len(found):
            raise UserError(f"{images} should hold an image for each of {labels}, but holds fewer: name another folder")
        return kept[: len(found)], found
