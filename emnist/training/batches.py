"""Batches of labelled images, augmented and normalised."""

import numpy as np
import torch

CHUNK = 512  # images augmented at once: enough to amortise the calls, few enough to stay in the processor's cache


class ImageBatches:
    """Labelled images that stay uint8 until a batch is made of them.

    Parameters
    ----------
    images : numpy.ndarray or numpy.memmap of uint8, shape (M, 28, 28)
    labels : numpy.ndarray of uint8, shape (M,)
    indices : numpy.ndarray of int64, shape (N,), optional
        Which of them to use, all by default. On a CPU nothing is copied; a GPU gets the chosen ones once.
    hardware : emnist.training.hardware.Hardware
    statistics : dict of str to float
        ``mean`` and ``std`` of pixels in [0, 1].
    """

    def __init__(self, images, labels, hardware, statistics, indices=None):
        self.hardware = hardware
        indices = np.arange(len(labels)) if indices is None else np.asarray(indices)
        if hardware.device.type == "cuda":
            images, labels = np.ascontiguousarray(images[indices]), labels[indices]
            indices = np.arange(len(labels))
        self.images = torch.from_numpy(images).unsqueeze(1).to(hardware.device)
        self.labels = torch.from_numpy(np.asarray(labels)).to(hardware.device)
        self.indices = torch.from_numpy(indices).to(hardware.device)
        self.shift = 255 * statistics["mean"]
        self.factor = 1 / (255 * statistics["std"])

    def __len__(self):
        return len(self.indices)

    def eval_batches(self, batch_size):
        """Yield normalised images (B, 1, 28, 28) and labels (B,) in order; the last batch may be smaller."""
        for indices in self.indices.split(batch_size):
            yield self._normalise(self.images[indices].float()), self.labels[indices].long()

    def train_batches(self, batch_size, augmentations, generator):
        """Yield shuffled, augmented, normalised batches, all of the same size.

        What doesn't fill a last batch is left out: other images each epoch. Batch normalisation and a GPU's recorded
        steps both want full batches.

        Parameters
        ----------
        batch_size : int
        augmentations : iterable of callables
            As `emnist.training.augmentation.build_augmentations` gives them.
        generator : torch.Generator
            On the hardware's device.
        """
        batch_size = min(batch_size, len(self))
        order = torch.randperm(len(self), generator=generator, device=generator.device)
        order = order[: len(order) // batch_size * batch_size]
        for chunk in order.split(max(CHUNK // batch_size, 1) * batch_size):
            indices = self.indices[chunk]
            images = self.images[indices].float()
            for augment in augmentations:
                images = augment(images, generator)
            labels = self.labels[indices].long()
            yield from zip(self._normalise(images).split(batch_size), labels.split(batch_size))

    def _normalise(self, images):
        images = images.sub_(self.shift).mul_(self.factor)
        return images.contiguous(memory_format=self.hardware.memory_format)
