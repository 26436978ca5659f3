"""Optimizers, looked up by name."""

import torch

from emnist.utils.schema import Fraction, Section


class SGD(Section):
    """Stochastic gradient descent with momentum."""

    momentum: Fraction
    weight_decay: Fraction

    def __call__(self, parameters, learning_rate):
        return torch.optim.SGD(
            parameters, lr=learning_rate, momentum=self.momentum, weight_decay=self.weight_decay, fused=True
        )


class Adam(Section):
    """Adam (Kingma and Ba, 2014, arXiv:1412.6980); its weight decay is added to the gradient."""

    weight_decay: Fraction

    def __call__(self, parameters, learning_rate):
        return torch.optim.Adam(parameters, lr=learning_rate, weight_decay=self.weight_decay, fused=True)


class AdamW(Section):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2017, arXiv:1711.05101)."""

    weight_decay: Fraction

    def __call__(self, parameters, learning_rate):
        return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=self.weight_decay, fused=True)


# The optimizers, by their names in params.yaml. Each is called with a network's parameters and a learning rate, and
# returns a torch.optim.Optimizer.
OPTIMIZERS = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
