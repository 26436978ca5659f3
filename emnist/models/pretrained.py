"""Networks that come with the package, already trained."""

import hashlib
from pathlib import Path

import emnist
from emnist.utils.errors import UserError
from emnist.utils.names import check_name

FOLDER = Path(emnist.__file__).parent / "pretrained"


def pretrained_names():
    """List the networks in `FOLDER`: of each the weights, the same network in ONNX, and a card."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def load_card(name):
    """Give the path of a pretrained network's weights, and what is known of it.

    That is the front matter of its card, a dict: ``name``, ``architecture``, ``sha256`` of the weights, ``parameters``,
    ``scores`` and others. `UserError` if there is no such network, or its card is missing, damaged or of other weights.
    """
    from emnist.utils.yaml import load_yaml  # imported here, since the command's help needs none

    check_name(name, pretrained_names(), "the pretrained network")
    weights, path = FOLDER / f"{name}.safetensors", FOLDER / f"{name}.md"
    remedy = "restore both from git, or install the package again"
    try:
        _, front_matter, _ = path.read_text(encoding="utf-8").split("---\n", 2)
        card = load_yaml(front_matter)
        card["sha256"], card["architecture"]
    except FileNotFoundError:
        raise UserError(f"{path}, the card of {weights.name}, is missing: {remedy}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} should begin with the network's architecture and sha256 in YAML between two lines ---, "
            f"but does not: {remedy}"
        ) from None
    if hashlib.sha256(weights.read_bytes()).hexdigest() != card["sha256"]:
        raise UserError(f"{path} describes other weights than {weights.name} (their SHA-256 differs): {remedy}")
    return weights, card
