"""How the weights of all architectures but EnsNet begin."""

from functools import partial

from torch import nn

kaiming_normal_ = partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu")


def initialise_(model, linear=partial(nn.init.normal_, std=0.01)):
    """Draw the weights of a model's convolutions and linear layers, in place; biases become zero.

    BatchNorm is left as torch makes it, with scale 1 and shift 0.

    Parameters
    ----------
    model : torch.nn.Module
    linear : callable
        Fills a linear layer's weight in place.

    References
    ----------
    He et al., 2015, "Delving deep into rectifiers", arXiv:1502.01852: the draw for convolutions.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            linear(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
