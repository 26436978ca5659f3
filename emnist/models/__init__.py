"""Networks: building, loading, replacing a head."""

import importlib
import pkgutil

import emnist.architectures
from emnist.models.weights import load_weights
from emnist.params import check_name
from emnist.utils.errors import UserError

# The modules of emnist.architectures; each holds one class of the same name, which has `embed`, `classify` and `HEAD`.
ARCHITECTURES = tuple(sorted(module.name for module in pkgutil.iter_modules(emnist.architectures.__path__)))


def build_model(name, num_classes=62):
    """Build an architecture with fresh weights, drawn from torch's global generator.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`.
    num_classes : int

    Returns
    -------
    torch.nn.Module
        Maps float32 images (N, 1, 28, 28) to logits (N, num_classes).

    Raises
    ------
    UserError
        If there is no such architecture.

    Examples
    --------
    >>> sum(parameter.numel() for parameter in build_model("lenet").parameters())
    35814
    """
    check_name(name, ARCHITECTURES, "the model")
    module = importlib.import_module(f"emnist.architectures.{name}")
    architecture = next((value for key, value in vars(module).items() if key.lower() == name), None)
    if architecture is None:
        raise UserError(
            f"emnist/architectures/{name}.py should hold a class named as the file, but has none: rename it"
        )
    return architecture(num_classes)


def set_dropout(model, rate):
    """Set the rate of all dropout layers of a model, in place.

    Parameters
    ----------
    model : torch.nn.Module
    rate : float or None
        The part of the units that is left out in training; None leaves each layer's own.
    """
    from torch import nn

    for module in model.modules():
        if rate is not None and isinstance(module, nn.Dropout):
            module.p = rate


def replace_head(model, num_classes):
    """Copy a model, with a fresh head on the same features, frozen.

    Parameters
    ----------
    model : torch.nn.Module
        As built by `build_model`.
    num_classes : int
        How many outputs the new head has.

    Returns
    -------
    torch.nn.Module
        Same architecture; only its head's parameters require a gradient. Keep it in ``eval()`` mode while the
        head is trained: ``train()`` would let dropout and BatchNorm's running statistics change the features.
    """
    fresh = type(model)(num_classes)
    weights = model.state_dict().items()
    features = {name: tensor for name, tensor in weights if not name.startswith(model.HEAD)}
    fresh.load_state_dict(fresh.state_dict() | features)
    for name, parameter in fresh.named_parameters():
        parameter.requires_grad_(name.startswith(model.HEAD))
    return fresh


def load_model(path):
    """Read a trained model.

    Parameters
    ----------
    path : path-like
        Weights in safetensors format, saved with what they are about.

    Returns
    -------
    model : torch.nn.Module
        In ``eval()`` mode.
    about : dict
        ``model`` (str), ``classes`` (str, one character an output), ``mean`` and ``std`` (float, of pixels in
        [0, 1]).

    Raises
    ------
    UserError
        If the file is missing, damaged, or holds anything but all the weights of its architecture.
    """
    weights, about = load_weights(path)
    try:
        model = build_model(about["model"], len(about["classes"]))
        about = about | {"mean": float(about["mean"]), "std": float(about["std"])}
    except (UserError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{path} should say which model, classes, mean and std it was trained with, but says "
            f"{about!r:.200}: delete it and run `dvc repro`"
        ) from None
    if _shapes(weights) != _shapes(model.state_dict()):
        raise UserError(
            f"{path} should hold the weights of {about['model']}, but other names or shapes are "
            "in it: delete it and run `dvc repro`"
        )
    model.load_state_dict(weights)
    return model.eval(), about


def _shapes(weights):
    return {name: tensor.shape for name, tensor in weights.items()}
