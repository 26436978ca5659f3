"""A new head on frozen features, which are computed once."""

import torch
from torch import nn


class Features:
    """What a frozen network makes of labelled images; is used where `emnist.training.batches.ImageBatches` is.

    Parameters
    ----------
    model : torch.nn.Module
        In ``eval()`` mode is what it is put in: dropout and batch statistics would change the features.
    images : emnist.training.batches.ImageBatches
    batch_size : int
        How many images go through the network at once.
    """

    @torch.no_grad()
    def __init__(self, model, images, batch_size=256):
        model.eval()
        self.hardware = images.hardware
        parts = []
        for batch, _ in images.eval_batches(batch_size):
            with self.hardware.autocast():
                # In the precision in which they were computed: at 18,000 features an image, more would be waste.
                parts.append(model.embed(batch).to(self.hardware.precision))
        self.features = torch.cat(parts)
        self.labels = images.labels[images.indices]
        self.indices = torch.arange(len(self.labels), device=self.hardware.device)

    def __len__(self):
        return len(self.labels)

    def eval_batches(self, batch_size):
        """Yield features (B, F) and labels (B,) in order; the last batch may be smaller."""
        yield from self._gather(self.indices, batch_size)

    def train_batches(self, batch_size, augmentations, generator):
        """Yield shuffled batches; there is nothing left to augment."""
        order = torch.randperm(len(self), generator=generator, device=generator.device)
        yield from self._gather(order, batch_size)

    def _gather(self, order, batch_size):
        for chosen in order.split(batch_size):
            yield self.features[chosen].float(), self.labels[chosen].long()


class Head(nn.Module):
    """The part of a network that maps features to logits, as a module that `emnist.training.loop.fit` can train.

    Parameters
    ----------
    model : torch.nn.Module
        As `emnist.models.replace_head` gives it.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, features):
        return self.model.classify(features)
