"""Predicting characters from pictures."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from emnist.reading.alphabet import Alphabet
from emnist.reading.network import DEFAULT, load_network
from emnist.reading.pictures import read_character

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

    def guesses(self, top: int) -> list[dict[str, str | float]]:
        """Return the `top` most probable classes as JSON values: a list of dict, ``character`` and ``probability``."""
        return [{"character": character, "probability": value} for character, value in self.probabilities[:top]]


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
        predictions = []
        for image, row in zip(images, alphabet.restrict(self.network.probabilities(images))):
            order = np.argsort(-row, kind="stable")
            guesses = [(alphabet.characters[i], float(row[i])) for i in order]
            predictions.append(Prediction(guesses, image, min_probability))
        return predictions


def _is_one(pictures):
    """Whether this is one picture, though it may be iterable: a path, bytes, a file, an image or its pixels."""
    if isinstance(pictures, np.ndarray):
        return pictures.ndim == 2 or (pictures.ndim == 3 and pictures.shape[2] in (3, 4))
    return isinstance(pictures, str | bytes | os.PathLike | Image.Image) or hasattr(pictures, "read")
