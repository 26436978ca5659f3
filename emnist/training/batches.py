"""Batches of labelled images, augmented and normalised."""

import numpy as np
import torch

CHUNK = 512  # images augmented at once: enough to amortise the calls, few enough to fit into the processor's cache


class ImageBatches:
    """Labelled images, stored as uint8 on the device, and their normalised batches.

    Parameters
    ----------
    images : numpy.ndarray or numpy.memmap of uint8, shape (M, 28, 28)
    labels : numpy.ndarray of uint8, shape (M,)
    indices : numpy.ndarray of int64, shape (N,), optional
        The images to use, all by default. On a CPU nothing is copied; to a GPU these images are copied once.
    hardware : emnist.training.hardware.Hardware
    pixel_stats : dict of str to float
        ``mean`` and ``std`` of the pixels in [0, 1], by which batches are normalised.
    augmentations : iterable of callable
        As described at `emnist.training.augmentation.AUGMENTATIONS`; `train_batches` applies them in this order.
    """

    def __init__(self, images, labels, hardware, pixel_stats, indices=None, augmentations=()):
        self.hardware, self.augmentations = hardware, augmentations
        indices = np.arange(len(labels)) if indices is None else np.asarray(indices)
        if hardware.device.type == "cuda":
            images, labels = np.ascontiguousarray(images[indices]), labels[indices]
            indices = np.arange(len(labels))
        self.images = torch.from_numpy(images).unsqueeze(1).to(hardware.device)
        self.labels = torch.from_numpy(np.asarray(labels)).to(hardware.device)
        self.indices = torch.from_numpy(indices).to(hardware.device)
        self.shift = 255 * pixel_stats["mean"]
        self.factor = 1 / (255 * pixel_stats["std"])

    def __len__(self):
        return len(self.indices)

    def eval_batches(self, batch_size):
        """Yield normalised batches in order; the last one may be smaller.

        Yields
        ------
        images : torch.Tensor of float32, shape (B, 1, 28, 28)
        labels : torch.Tensor of int64, shape (B,)
        """
        for indices in self.indices.split(batch_size):
            yield self._normalise(self.images[indices].float()), self.labels[indices].long()

    def train_batches(self, batch_size, generator, augment=True):
        """Yield shuffled, augmented, normalised batches, all of the same size.

        Images that do not fill a last batch are left out, different ones each epoch: a small batch would disturb
        batch normalisation.

        Parameters
        ----------
        batch_size : int
        generator : torch.Generator
            On the hardware's device.
        augment : bool
            Whether to apply the augmentations.

        Yields
        ------
        images, labels
            As from `eval_batches`.
        """
        batch_size = min(batch_size, len(self))
        order = torch.randperm(len(self), generator=generator, device=generator.device)
        order = order[: len(order) // batch_size * batch_size]
        for chunk in order.split(max(CHUNK // batch_size, 1) * batch_size):
            indices = self.indices[chunk]
            images = self.images[indices].float()
            for augmentation in self.augmentations if augment else ():
                images = augmentation(images, generator)
            labels = self.labels[indices].long()
            yield from zip(self._normalise(images).split(batch_size), labels.split(batch_size))

    def _normalise(self, images):
        images = images.sub_(self.shift).mul_(self.factor)
        return images.contiguous(memory_format=torch.channels_last)
