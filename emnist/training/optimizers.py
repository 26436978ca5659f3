"""Optimizers, looked up by name."""

import torch

from emnist.params import Fraction, Section, Space, check_options
from emnist.utils.names import check_name


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


# By their names in params.yaml. Each is called with a network's parameters and a learning rate, and returns a
# torch.optim.Optimizer.
OPTIMIZERS = {"sgd": SGD, "adam": Adam, "adamw": AdamW}


def searched_hyperparameters(name):
    """List what the search sets for an optimizer: the learning rate, the batch size and those of its options in a space.

    Parameters
    ----------
    name : str
        A key of `OPTIMIZERS`.

    Returns
    -------
    list of str
    """
    own = {"learning_rate", "batch_size", *OPTIMIZERS[name].model_fields}
    return [hyperparameter for hyperparameter in Space.model_fields if hyperparameter in own]


def build_optimizer(name, options, parameters, config):
    """Build an optimizer.

    Parameters
    ----------
    name : str
        A key of `OPTIMIZERS`.
    options : dict
        Values for all fields of its class: the hyperparameters other than the learning rate.
    parameters : iterable of torch.nn.Parameter
    config : dict of str to number
        ``learning_rate``, and values that replace those in `options`; other keys, such as ``batch_size``, are ignored.

    Returns
    -------
    torch.optim.Optimizer

    Raises
    ------
    UserError
        If the name or an option is unknown, or a value is out of range.
    """
    check_name(name, OPTIMIZERS, "the optimizer")
    options = options | {key: value for key, value in config.items() if key in OPTIMIZERS[name].model_fields}
    return check_options(OPTIMIZERS[name], options, f"optimizers.{name}")(parameters, config["learning_rate"])
