"""Transfer learning: a new head on the precomputed features of a frozen network."""

import torch
from torch import nn

from emnist.training.inference import BATCH, join_batches


class Features:
    """Batches of the features that a frozen network computes from labelled images.

    Has the interface of `emnist.training.batches.ImageBatches`; the features are computed once.

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
                return model.embed(batch).to(self.hardware.precision)

        (self.features,) = join_batches(len(images), ([embed(batch)] for batch, _ in images.eval_batches(BATCH)))
        self.labels = images.labels[images.indices]
        self.indices = torch.arange(len(self.labels), device=self.hardware.device)

    def __len__(self):
        return len(self.labels)

    def eval_batches(self, batch_size):
        """Yield features (B, F) of float32 and labels (B,) of int64 in order; the last batch may be smaller."""
        yield from self._gather(self.indices, batch_size)

    def train_batches(self, batch_size, generator, augment=False):
        """Yield batches as `eval_batches`, but shuffled. Features are never augmented, whatever `augment` is."""
        order = torch.randperm(len(self), generator=generator, device=generator.device)
        yield from self._gather(order, batch_size)

    def _gather(self, order, batch_size):
        for indices in order.split(batch_size):
            yield self.features[indices].float(), self.labels[indices].long()


class Head(nn.Module):
    """The head of a network as a module, which `emnist.training.loop.fit` can train.

    Parameters
    ----------
    model : torch.nn.Module
        As returned by `emnist.models.replace_head`.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, features):
        return self.model.classify(features)
