"""What all images of EMNIST ByClass take, without EMNIST."""

import numpy as np

from emnist.data.classes import CHARACTERS
from emnist.figures import confusion


def test_confusion_of_all_62_classes_and_697932_images_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(62, size=697_932)
    predictions = np.where(rng.random(len(labels)) < 0.85, labels, rng.integers(62, size=len(labels)))
    confusion.confusion_heat_map(tmp_path / "confusion.png", labels, predictions, CHARACTERS, "title")
    assert (tmp_path / "confusion.png").stat().st_size < 600_000
