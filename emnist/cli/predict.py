"""Predictions for a person's own pictures."""

import json
import sys
from pathlib import Path

from emnist.utils.errors import UserError

EXAMPLE = "emnist predict photo.png scan.jpg"
WEIGHTS = "data/weights/finetune.safetensors"


def add_arguments(parser):
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="a picture of one character, of any size, dark on light or light on dark",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    network = parser.add_mutually_exclusive_group()
    network.add_argument(
        "--weights", help=f"the trained model (default: {WEIGHTS}, or a pretrained network if there is none)"
    )
    network.add_argument("--model", metavar="NAME", help="a pretrained network, such as resnet")
    parser.add_argument(
        "--top", type=int, default=3, metavar="N", help="guesses for each picture (default: %(default)s)"
    )


def main(options):
    if options.top < 1:
        raise UserError(f"--top should be at least 1, but is {options.top}")

    from emnist.reading.pictures import read_character

    model, metadata = load_network(options)
    readings, failed = [], False
    for path in options.images:
        try:
            guesses = predict(model, metadata, read_character(path))[: options.top]
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            failed = True
            continue
        readings.append({"file": path, "predictions": [{"character": c, "probability": p} for c, p in guesses]})
        if not options.json:
            print(f"{path}:", ", ".join(f"{c} {p:.1%}" for c, p in guesses))
    if options.json:
        print(json.dumps(readings, indent=2))
    sys.exit(failed)


def load_network(options):
    """Load the network that the command line names, and say on standard error which one it is unless it is named.

    Returns
    -------
    model, metadata
        As from `emnist.models.load_model`.
    """
    from emnist.models import load_model, load_pretrained
    from emnist.models.pretrained import READS_PICTURES

    if options.model:
        return load_pretrained(options.model)
    if options.weights or Path(WEIGHTS).exists():
        return load_model(options.weights or WEIGHTS)
    print(f"{WEIGHTS} is missing: the pretrained network {READS_PICTURES} reads", file=sys.stderr)
    return load_pretrained(READS_PICTURES)


def predict(model, metadata, image):
    """Rank the classes of a character.

    Parameters
    ----------
    model : torch.nn.Module
    metadata : dict
        Both as given by `emnist.models.load_model`.
    image : numpy.ndarray of uint8, shape (28, 28)
        As EMNIST has it: upright, white on black.

    Returns
    -------
    list of (str, float)
        Every character the model knows with its probability, the likeliest first.
    """
    import torch

    pixels = (torch.from_numpy(image).float() / 255 - metadata["mean"]) / metadata["std"]
    with torch.inference_mode():
        probabilities = model(pixels[None, None]).softmax(dim=1)[0].double()
    order = probabilities.argsort(descending=True, stable=True).tolist()
    return [(metadata["classes"][label], probabilities[label].item()) for label in order]
