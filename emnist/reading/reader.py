"""Predicting characters from pictures."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from emnist.reading.alphabet import Alphabet
from emnist.reading.forms import TextWarning, read_form
from emnist.reading.network import DEFAULT, load_network
from emnist.reading.pictures import name_of, open_grey, read_character
from emnist.reading.text import Line, guesses, read_text
from emnist.utils.errors import UserError

ON_ITS_SIDE = "on its side: turn it by 90 degrees"
TURNS = {1: ON_ITS_SIDE, 2: "upside down: turn it by 180 degrees", 3: ON_ITS_SIDE}  # by number of quarter turns
Picture = str | os.PathLike | bytes | BinaryIO | Image.Image | np.ndarray


@dataclass(frozen=True)
class Prediction:
    """What a network predicts for a picture.

    Attributes
    ----------
    probabilities : list of (str, float)
        Each class with its probability, the most probable first.
    image : numpy.ndarray of uint8, shape (28, 28)
        The image that the network was given.
    min_probability : float
        Below which the character is unknown.
    """

    probabilities: list[tuple[str, float]]
    image: np.ndarray
    min_probability: float = 0

    @property
    def character(self) -> str:
        """The most probable class, or ``?`` if its probability is below `min_probability`."""
        character, probability = self.probabilities[0]
        return character if probability >= self.min_probability else "?"

    def answer(self) -> dict[str, str]:
        """Return ``character`` as a JSON value where a `min_probability` is given; else nothing."""
        return {"character": self.character} if self.min_probability else {}

    def guesses(self, top: int) -> list[dict[str, str | float]]:
        """Return the `top` most probable classes as JSON values: a list of dict, ``character`` and ``probability``."""
        return guesses(self.probabilities, top)


class Reader:
    """Reads characters from pictures with a trained network.

    Parameters
    ----------
    network : str or path-like
        Name of a pretrained network, or path of an exported one (``.onnx``).

    Examples
    --------
    >>> picture = np.full((280, 280), 255, np.uint8)
    >>> picture[40:240, 130:150] = 0
    >>> Reader("resnet").predict([picture])[0].character
    '1'
    """

    def __init__(self, network: str | os.PathLike = DEFAULT):
        self.network = load_network(network)

    def predict(
        self,
        pictures: Iterable[Picture] | Picture,
        characters: str | None = None,
        ignore_case: bool = False,
        min_probability: float = 0,
    ) -> list[Prediction]:
        """Predict the character in each picture.

        Parameters
        ----------
        pictures : iterable
            Of one character each, as `emnist.reading.pictures.read_character` takes them: paths, bytes, open files,
            arrays or Pillow images. A single one is taken as a list of one.
        characters : str, optional
            Those that are possible, such as ``0-9A-F``. Default: all classes.
        ignore_case : bool
            Whether a letter's two cases count as one.
        min_probability : float
            Below which a `Prediction.character` is ``?``.

        Returns
        -------
        list of Prediction

        Raises
        ------
        UserError
            If a picture cannot be read or shows no character, or the network lacks one of the `characters`.
        """
        images = [read_character(picture) for picture in ([pictures] if _is_one(pictures) else pictures)]
        images = np.array(images, np.uint8).reshape(-1, 28, 28)
        return self.predict_images(images, characters, ignore_case, min_probability)

    def predict_images(
        self,
        images: np.ndarray,
        characters: str | None = None,
        ignore_case: bool = False,
        min_probability: float = 0,
    ) -> list[Prediction]:
        """Predict images in EMNIST's format, uint8 (N, 28, 28), upright, white on black, as `predict` does pictures."""
        alphabet = Alphabet(self.network.classes, characters, ignore_case)
        rows = alphabet.restrict(self.network.probabilities(images))
        return [Prediction(alphabet.rank(row), image, min_probability) for image, row in zip(images, rows)]

    def read(
        self,
        picture: Picture,
        characters: str | None = None,
        ignore_case: bool = False,
        min_probability: float = 0,
        fields: str | os.PathLike | None = None,
        boxes: bool = False,
        name: str | None = None,
    ) -> list[Line]:
        """Read the lines of text in a picture, or what is written in a form.

        Parameters
        ----------
        picture, characters, ignore_case, min_probability
            As for `predict`, but one picture, of text. Where `characters` are given, there are spaces between words
            only if a space is among them.
        fields : path-like, optional
            A table of the fields of a form, as `emnist.reading.forms.load_fields` takes it. The form may be shifted,
            turned by up to 3 degrees or scaled, if it has boxes around its fields.
        boxes : bool
            Whether to find the boxes of a form, and read what is in each; those of a row that are all for one character
            are one field.
        name : str, optional
            What errors call the picture.

        Returns
        -------
        list of emnist.reading.text.Line
            From top to bottom; of a form, one a field, empty where nothing is written.

        Raises
        ------
        UserError
            As `predict` does, or if the picture shows no text or no boxes, or the table of fields is none.

        Warns
        -----
        TextWarning
            If the picture seems to be upside down or on its side, or its boxes do not lie as the fields do.
        """
        name = name or name_of(picture)
        image = open_grey(picture, name)
        alphabet = Alphabet(self.network.classes, characters, ignore_case)
        if fields is None and not boxes:
            found = [("", line) for line in read_text(image, self.network, alphabet)]
        else:
            found = read_form(image, self.network, alphabet, name, fields, ignore_case)
        images = [each.image for _, line in found for each in line]
        if not images and fields is None:
            raise UserError(f"{name} should show text, but none was found: use a picture with more contrast")
        if images and (turn := self._find_turn(np.stack(images))):
            warnings.warn(f"{name} seems to be {turn}", TextWarning, stacklevel=2)
        return [Line(line, field, min_probability) for field, line in found]

    def _find_turn(self, images):
        """Say how a page seems to be turned, whose characters (N, 28, 28) the network knows better turned; or None."""

        def mean_log_confidence(turns):
            turned = np.ascontiguousarray(np.rot90(images, turns, axes=(1, 2)))
            return np.log(self.network.probabilities(turned).max(axis=1)).mean()

        if len(images) < 8 or (upright := mean_log_confidence(0)) >= np.log(0.8):
            return None
        best, turns = max((mean_log_confidence(turns), turns) for turns in TURNS)
        return TURNS[turns] if best > upright + 0.15 else None


def _is_one(pictures):
    """Whether this is one picture, though it may be iterable: a path, bytes, a file, an image or its pixels."""
    if isinstance(pictures, np.ndarray):
        return pictures.ndim == 2 or (pictures.ndim == 3 and pictures.shape[2] in (3, 4))
    return isinstance(pictures, str | bytes | os.PathLike | Image.Image) or hasattr(pictures, "read")
