"""Weight initialisation, the same for all architectures but EnsNet."""

from functools import partial

from torch import nn

kaiming_normal_ = partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu")


def initialise_(model, linear=partial(nn.init.normal_, std=0.01)):
    """Initialise a model's convolutions and linear layers in place; their biases become zero.

    BatchNorm keeps PyTorch's initialisation, scale 1 and shift 0.

    Parameters
    ----------
    model : torch.nn.Module
    linear : callable
        Initialises the weight of a linear layer in place.

    References
    ----------
    He et al., 2015, "Delving deep into rectifiers", arXiv:1502.01852: the initialisation of convolutions.
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
