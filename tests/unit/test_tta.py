"""Averaging over shifts: the mean of the probabilities, and apart from all other scores."""

import torch
import torch.nn.functional as F

from emnist.evaluation.tta import ShiftTTA
from emnist.models import build_model

STATISTICS = {"mean": 0.2, "std": 0.4}
BACKGROUND = -0.5


def test_probabilities_are_the_mean_of_those_of_the_image_moved_each_way():
    torch.manual_seed(0)
    model = build_model("lenet").eval()
    ink = torch.randn(3, 1, 24, 24)
    moved = []
    for left in (1, 2, 3):
        for top in (1, 2, 3):
            images = torch.full((3, 1, 28, 28), BACKGROUND)
            images[..., top : top + 24, left : left + 24] = ink
            moved.append(images)
    with torch.no_grad():
        expected = torch.stack([F.softmax(model(images), 1) for images in moved]).mean(0)
        middle = moved[4]
        torch.testing.assert_close(ShiftTTA(model, 1, STATISTICS)(middle).exp(), expected)
        torch.testing.assert_close(ShiftTTA(model, 0, STATISTICS)(middle).exp(), F.softmax(model(middle), 1))
