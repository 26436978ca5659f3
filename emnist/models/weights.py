"""Saving and loading weights in safetensors format."""

import json

from emnist.utils.atomic import write_bytes
from emnist.utils.errors import explain_damage


def save_weights(path, model, /, **metadata):
    """Write a model's ``state_dict`` as safetensors, with JSON values, such as the names of its classes."""
    from safetensors.torch import save  # it imports torch, slowly, and not every user of this package needs it

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    # A single key, since safetensors writes several in an order that changes from run to run.
    write_bytes(path, save(tensors, metadata={"about": json.dumps(metadata, sort_keys=True)}))


def load_weights(path):
    """Read what `save_weights` wrote: the ``state_dict`` and the metadata (dict).

    `UserError` if the file is missing, damaged, or lacks the metadata.
    """
    from safetensors import SafetensorError, safe_open

    errors = (SafetensorError, KeyError, ValueError, OSError, RuntimeError)  # mmap fails with the last
    with explain_damage(path, "hold weights in safetensors format", *errors), safe_open(path, framework="pt") as file:
        metadata = json.loads((file.metadata() or {})["about"])
        return {name: file.get_tensor(name) for name in file.keys()}, metadata
