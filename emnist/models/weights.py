"""Trained weights in safetensors format."""

import json

from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError


def save_weights(path, model, /, **about):
    """Write a model's ``state_dict`` as safetensors.

    Parameters
    ----------
    path : path-like
    model : torch.nn.Module
    **about
        JSON values kept beside the weights, such as the architecture and the normalisation.
    """
    from safetensors.torch import save  # torch is slow to import, and most stages' files need none

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    # One metadata key: safetensors writes several in an order that changes from run to run.
    write_bytes(path, save(tensors, metadata={"about": json.dumps(about, sort_keys=True)}))


def load_weights(path):
    """Read weights written by `save_weights`.

    Returns
    -------
    state_dict : dict of str to torch.Tensor
    about : dict

    Raises
    ------
    UserError
        If the file is missing or is not such a file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            return {name: file.get_tensor(name) for name in file.keys()}, about
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro` to train the model") from None
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise UserError(
            f"{path} should hold weights in safetensors format, but is damaged ({error}): delete it and run `dvc repro`"
        ) from None
