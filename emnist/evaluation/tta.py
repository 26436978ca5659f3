"""Test-time averaging: what a model makes of an image and of its neighbours."""

import math

import torch
import torch.nn.functional as F


class ShiftTTA(torch.nn.Module):
    """A model's mean over an image moved by up to some pixels each way [1]_; is used where the model is.

    Parameters
    ----------
    model : torch.nn.Module
    reach : int
        Pixels, so that (2 * reach + 1) ** 2 copies of each image go through the model.
    statistics : dict of str to float
        ``mean`` and ``std`` of pixels in [0, 1], by which the images are normalised.

    References
    ----------
    .. [1] Krizhevsky, Sutskever and Hinton, 2012, "ImageNet classification with deep convolutional neural networks",
       NeurIPS 25: the mean of the probabilities of ten patches of each test image.
    """

    def __init__(self, model, reach, statistics):
        super().__init__()
        self.model, self.reach = model, reach
        self.background = -statistics["mean"] / statistics["std"]

    def forward(self, images):
        """Give the logarithm of the mean probabilities, (N, classes) of float32, of images (N, 1, height, width)."""
        height, width = images.shape[-2:]
        padded = F.pad(images, [self.reach] * 4, value=self.background)
        moves = range(2 * self.reach + 1)
        copies = [padded[..., y : y + height, x : x + width] for y in moves for x in moves]
        logarithms = torch.stack([F.log_softmax(self.model(copy).float(), dim=1) for copy in copies])
        return logarithms.logsumexp(0) - math.log(len(copies))
