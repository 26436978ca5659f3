"""Transfer learning: a new head on the precomputed features of a frozen network."""

import torch
from torch import nn

from emnist.training.batches import ImageBatches
from emnist.training.inference import BATCH, concatenate_batches


class Features(ImageBatches):
    """Batches of the features that a frozen network computes from labelled images, once.

    Parameters
    ----------
    model : torch.nn.Module
        Is put into ``eval()`` mode: dropout and batch statistics would change the features.
    images : emnist.training.batches.ImageBatches
    """

    @torch.no_grad()
    def __init__(self, model, images):
        model.eval()
        self.hardware = images.hardware

        def embed(batch):
            with self.hardware.autocast():
                # Features keep the precision of the computation, since EnsNet has 18,000 of them an image.
                return model.forward_features(batch).to(self.hardware.precision)

        (self.images,) = concatenate_batches(len(images), ([embed(batch)] for batch, _ in images.eval_batches(BATCH)))
        self.labels = images.labels[images.indices]
        self.indices = torch.arange(len(self.labels), device=self.hardware.device)

    def train_batches(self, batch_size, generator, augment=False):
        """Yield shuffled batches, of which the last may be smaller. Features are never augmented."""
        order = torch.randperm(len(self), generator=generator, device=generator.device)
        for indices in order.split(batch_size):
            yield self.images[indices].float(), self.labels[indices].long()

    def _normalise(self, features):
        return features


class Head(nn.Module):
    """The head of a network, as `replace_head` returns it, as a module, which `emnist.training.loop.fit` can train."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, features):
        return self.model.forward_head(features)
