"""Building and loading models, and replacing their heads."""

import importlib
import pkgutil

import emnist.architectures
from emnist.models.pretrained import load_card, pretrained_names
from emnist.models.weights import load_weights
from emnist.utils.errors import UserError
from emnist.utils.names import check_name, shorten

# The modules of emnist.architectures. Each defines one class of the same name, an `emnist.models.layers.Architecture`.
ARCHITECTURES = tuple(sorted(module.name for module in pkgutil.iter_modules(emnist.architectures.__path__)))

PRETRAINED = tuple(pretrained_names())


def build_model(name, num_classes=62):
    """Build an architecture with random weights, drawn from PyTorch's global generator.

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
            f"emnist/architectures/{name}.py should define a class with the name of the file, but has none: "
            "rename the class"
        )
    return architecture(num_classes)


def replace_head(model, num_classes):
    """Copy a model with frozen features and a newly initialised head.

    Parameters
    ----------
    model : torch.nn.Module
        As built by `build_model`.
    num_classes : int
        Number of outputs of the new head.

    Returns
    -------
    torch.nn.Module
        The same architecture; only the parameters of its head require a gradient. Keep it in ``eval()`` mode while the
        head is trained: ``train()`` would let dropout and BatchNorm's running statistics change the features.
    """
    copy = type(model)(num_classes)
    weights = model.state_dict().items()
    features = {name: tensor for name, tensor in weights if not name.startswith(model.head_prefix)}
    copy.load_state_dict(copy.state_dict() | features)
    for name, parameter in copy.named_parameters():
        parameter.requires_grad_(name.startswith(model.head_prefix))
    return copy


def load_model(path):
    """Read a trained model.

    Parameters
    ----------
    path : path-like
        Weights and metadata in safetensors format, as written by `emnist.models.weights.save_weights`.

    Returns
    -------
    model : torch.nn.Module
        In ``eval()`` mode.
    metadata : dict
        ``model`` (str), ``classes`` (str, one character an output, or list of str), ``mean`` and ``std`` (float, of pixels in
        [0, 1]).

    Raises
    ------
    UserError
        If the file is missing, damaged, or holds anything but all the weights of its architecture.
    """
    weights, metadata = load_weights(path)
    try:
        model = build_model(metadata["model"], len(metadata["classes"]))
        metadata = metadata | {"mean": float(metadata["mean"]), "std": float(metadata["std"])}
    except (UserError, KeyError, TypeError, ValueError, OverflowError):
        raise UserError(
            f"{path} should say which model, classes, mean and std it was trained with, but its metadata is "
            f"{shorten(metadata, 200)}: delete it and run `dvc repro`"
        ) from None
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        raise UserError(
            f"{path} should hold the weights of {metadata['model']}, but has other parameter names or "
            "shapes: delete it and run `dvc repro`"
        ) from None
    return model.eval(), metadata


def load_pretrained(name):
    """Read a network that comes with the package, already trained, as `load_model` does.

    Parameters
    ----------
    name : str
        One of `PRETRAINED`; ``emnist/pretrained/NAME.md`` describes each. The parameters are float32, also if the file
        holds half precision.

    Raises
    ------
    UserError
        If there is no such network, or its file or card is missing or damaged.
    """
    return load_model(load_card(name)[0])
