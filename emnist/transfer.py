"""Transfer learning: a new head on the precomputed features of a frozen network."""

import torch
from torch import nn

from emnist.training.inference import BATCH, concatenate_batches


class Features:
    """Batches of the features that a frozen network computes from labelled images, once, in place of `ImageBatches`.

    Parameters
    ----------
    model : emnist.models.layers.Architecture
        Is put into ``eval()`` mode: dropout and batch statistics would change the features.
    images : emnist.training.batches.ImageBatches
    """

    @torch.no_grad()
    def __init__(self, model, images):
        model.eval()
        self.hardware, self.labels = images.hardware, images.labels[images.indices].long()

        def compute(batch):
            with self.hardware.autocast():
                # Features keep the precision of the computation, since EnsNet has 18,000 of them an image.
                return model.forward_features(batch).to(self.hardware.precision)

        batches = ([compute(batch)] for batch, _ in images.eval_batches(BATCH))
        (self.features,) = concatenate_batches(len(images), batches)

    def __len__(self):
        return len(self.labels)

    def eval_batches(self, batch_size):
        """Yield batches in order, as `ImageBatches.eval_batches` does."""
        for features, labels in zip(self.features.split(batch_size), self.labels.split(batch_size)):
            yield features.float(), labels

    def train_batches(self, batch_size, generator, augment=False):
        """Yield shuffled batches, of which the last may be smaller. Features are never augmented."""
        for indices in torch.randperm(len(self), generator=generator, device=generator.device).split(batch_size):
            yield self.features[indices].float(), self.labels[indices]


class Head(nn.Module):
    """The head of a network, as `replace_head` returns it, as a module, which `emnist.training.loop.fit` can train."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, features):
        return self.model.forward_head(features)
