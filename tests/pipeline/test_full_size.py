"""What takes long by its size: all images of EMNIST ByClass in a figure, and EnsNet where bfloat16 is emulated."""

import numpy as np
import torch
from model_helpers import check_bfloat16

from emnist.data.classes import CHARACTERS
from emnist.figures import confusion


def test_confusion_of_all_62_classes_and_697932_images_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(62, size=697_932)
    predictions = np.where(rng.random(len(labels)) < 0.85, labels, rng.integers(62, size=len(labels)))
    confusion.confusion_heat_map(tmp_path / "confusion.png", labels, predictions, CHARACTERS, "title")
    assert (tmp_path / "confusion.png").stat().st_size < 600_000


def test_ensnet_trains_in_bfloat16_and_channels_last():
    torch.manual_seed(0)
    check_bfloat16("ensnet")
