"""What a network costs, counted by hand where that is short."""

import torch

from emnist.evaluation.cost import count_parameters, images_per_second, multiply_adds
from emnist.models import build_model
from emnist.params import load_params
from emnist.training.hardware import setup_hardware
from emnist.training.recipe import augmentations

# LeNet: 5x5 convolutions from 1 to 6 and 6 to 16 channels, on 24x24 and 8x8 places, then 144 -> 120 -> 84 -> 62.
LENET = 25 * 6 * 24 * 24 + 25 * 6 * 16 * 8 * 8 + 144 * 120 + 120 * 84 + 84 * 62


def test_multiply_adds_are_those_counted_by_hand():
    assert multiply_adds(torch.nn.Linear(28, 10)) == 28 * 28 * 10
    assert multiply_adds(build_model("lenet")) == LENET


def test_parameters_are_those_counted_by_hand():
    assert count_parameters(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))) == 3 * 2 + 2 + 2 + 2


def test_images_per_second_are_measured_of_training_and_of_inference():
    params = load_params()
    model = build_model("lenet")
    hardware = setup_hardware(params.compute, model, threads=1)
    assert all(rate > 0 for rate in images_per_second(model, hardware, augmentations(params), 1.0, seconds=0.2))
