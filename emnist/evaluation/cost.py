"""What a network costs: parameters, multiply-adds, and images a second on this machine."""

import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from emnist.training.batches import ImageBatches
from emnist.training.inference import predict_top3
from emnist.training.loop import train_epoch

BATCH = 64


def count_parameters(model):
    """Count the numbers that training sets."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model):
    """Count the multiplications, each with an addition, that one image takes.

    Those of convolutions and of linear layers; what else there is takes next to nothing.
    """
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(torch.zeros(1, 1, 28, 28))
    return counter.get_total_flops() // 2


def images_per_second(model, hardware, augmentations, clip_norm, seconds=5):
    """Measure how many images a second the model learns from, and how many it reads.

    Parameters
    ----------
    model : torch.nn.Module
        On `hardware`. Its weights change.
    hardware : emnist.training.hardware.Hardware
    augmentations : iterable of callables
    clip_norm : float
    seconds : float
        How long each of both is measured, about.

    Returns
    -------
    training, inference : float
    """
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(8 * BATCH, 28, 28), dtype=np.uint8)
    images = ImageBatches(
        images, rng.integers(62, size=len(images), dtype=np.uint8), hardware, {"mean": 0.5, "std": 0.3}
    )
    generator = torch.Generator(hardware.device).manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def learn():
        train_epoch(model, optimizer, images.train_batches(BATCH, augmentations, generator), hardware, clip_norm)

    return tuple(len(images) * _times_a_second(work, seconds) for work in (learn, lambda: predict_top3(model, images)))


def _times_a_second(work, seconds):
    work()  # the first time is slower
    start, times = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        work()  # both end in copies to the CPU, and so have waited for a GPU
        times += 1
    return times / (time.perf_counter() - start)
