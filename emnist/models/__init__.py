"""The six architectures, each in a module that is imported only when it is asked for."""

import difflib
import importlib

from emnist.models.weights import load_weights
from emnist.utils.errors import UserError

# Module of this package -> class in it, which has `embed`, `classify` and `HEAD` as LeNet has.
ARCHITECTURES = {
    "lenet": "LeNet",
    "alexnet": "AlexNet",
    "vggnet": "VGGNet",
    "resnet": "ResNet",
    "spinalnet": "SpinalNet",
    "ensnet": "EnsNet",
}


def build_model(name, num_classes=62):
    """Build an architecture with fresh weights, drawn from torch's global generator.

    Parameters
    ----------
    name : str
        A key of `ARCHITECTURES`.
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
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(str(name), ARCHITECTURES, n=1)
        raise UserError(
            f"the model should be one of {', '.join(ARCHITECTURES)}, but is {name!r}"
            + (f": did you mean {near[0]}?" if near else "")
        )
    return getattr(importlib.import_module(f"emnist.architectures.{name}"), ARCHITECTURES[name])(num_classes)


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
