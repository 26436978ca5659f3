"""Optimizers, looked up by name."""

from typing import ClassVar

import torch

from emnist.utils.schema import Fraction, Section


class Optimizer(Section):
    """Options of one of PyTorch's optimizers, named as its own arguments."""

    optimizer: ClassVar[type]

    def __call__(self, parameters, learning_rate):
        """Make the torch.optim.Optimizer of a network's parameters."""
        return self.optimizer(parameters, lr=learning_rate, fused=True, **dict(self))


class SGD(Optimizer):
    """Stochastic gradient descent with momentum."""

    optimizer = torch.optim.SGD
    momentum: Fraction
    weight_decay: Fraction


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2014, arXiv:1412.6980); its weight decay is added to the gradient."""

    optimizer = torch.optim.Adam
    weight_decay: Fraction


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2017, arXiv:1711.05101)."""

    optimizer = torch.optim.AdamW
    weight_decay: Fraction


# The optimizers, by their names in params.yaml. Each is called with a network's parameters and a learning rate, and
# returns a torch.optim.Optimizer.
OPTIMIZERS = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
