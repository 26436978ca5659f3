"""Optimizers."""

import torch


def sgd(model, draw):
    """Make the optimizer that a draw describes."""
    return torch.optim.SGD(
        model.parameters(),
        lr=draw["learning_rate"],
        momentum=draw["momentum"],
        weight_decay=draw["weight_decay"],
        fused=True,
    )
