"""Test-time augmentation (TTA)."""

import math

import torch
import torch.nn.functional as F


class ShiftTTA(torch.nn.Module):
    """Average a model's predictions over shifted copies of each image [1]_.

    Takes the place of the model in `emnist.training.inference.predict_top3`.

    Parameters
    ----------
    model : torch.nn.Module
    max_shift : int
        Largest shift along each axis, in pixels; the model gets ``(2 * max_shift + 1) ** 2`` copies of each image.
    pixel_stats : dict of str to float
        ``mean`` and ``std`` of the pixels in [0, 1], by which the images are normalised.

    References
    ----------
    .. [1] Krizhevsky, Sutskever and Hinton, 2012, "ImageNet classification with deep convolutional neural networks",
       NeurIPS 25: the mean of the probabilities of ten patches of each test image.
    """

    def __init__(self, model, max_shift, pixel_stats):
        super().__init__()
        self.model, self.max_shift = model, max_shift
        self.background = -pixel_stats["mean"] / pixel_stats["std"]

    def forward(self, images):
        """Map images (N, 1, H, W) to the logarithms of the mean probabilities, (N, classes) of float32."""
        height, width = images.shape[-2:]
        padded = F.pad(images, [self.max_shift] * 4, value=self.background)
        offsets = range(2 * self.max_shift + 1)
        copies = [padded[..., y : y + height, x : x + width] for y in offsets for x in offsets]
        log_probabilities = torch.stack([F.log_softmax(self.model(copy).float(), dim=1) for copy in copies])
        return log_probabilities.logsumexp(0) - math.log(len(copies))
