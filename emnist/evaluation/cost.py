"""Cost of a network: parameters, multiply-adds and throughput."""

import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from emnist.training.batches import ImageBatches
from emnist.training.inference import predict_top3
from emnist.training.loop import train_epoch

BATCH = 64


def count_parameters(model):
    """Return the number of a model's parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model):
    """Return the number of multiply-adds in a forward pass of one 28x28 image.

    Only convolutions and linear layers are counted; the rest is negligible.
    """
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(torch.zeros(1, 1, 28, 28))
    return counter.get_total_flops() // 2


def images_per_second(model, hardware, augmentations, clip_norm, seconds=5):
    """Measure the throughput of training and of inference on random images.

    Parameters
    ----------
    model : torch.nn.Module
        On `hardware`. The measurement changes its weights.
    hardware : emnist.training.hardware.Hardware
    augmentations : iterable of callable
        As described at `emnist.training.augmentation.AUGMENTATIONS`.
    clip_norm : float
    seconds : float
        Approximate duration of each of the two measurements.

    Returns
    -------
    training, inference : float
        Images a second.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(8 * BATCH, 28, 28), dtype=np.uint8)
    labels = rng.integers(62, size=len(images), dtype=np.uint8)
    images = ImageBatches(images, labels, hardware, {"mean": 0.5, "std": 0.3}, augmentations=augmentations)
    generator = torch.Generator(hardware.device).manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def train():
        train_epoch(model, optimizer, images.train_batches(BATCH, generator), hardware, clip_norm)

    return tuple(
        len(images) * _calls_per_second(function, seconds) for function in (train, lambda: predict_top3(model, images))
    )


def _calls_per_second(function, seconds):
    function()  # The first call is slower, so it is not measured.
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        function()  # It ends with a copy to the CPU, which waits for the GPU.
        calls += 1
    return calls / (time.perf_counter() - start)
