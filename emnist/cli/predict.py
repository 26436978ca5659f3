"""Read characters from a person's image files: ``python -m emnist.cli.predict IMAGE...``."""

import argparse
import json
import sys

from emnist.reading.pictures import read_character
from emnist.utils.errors import UserError, run_cli

WEIGHTS = "data/weights/finetune.safetensors"


def main():
    parser = argparse.ArgumentParser(
        prog="python -m emnist.cli.predict",
        description="Read the character in each image, dark on light or light on dark.",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture of one character, of any size")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--weights", default=WEIGHTS, help="the trained model (default: %(default)s)")
    parser.add_argument("--top", type=int, default=3, help="how many guesses an image (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.top < 1:
        parser.error("--top should be at least 1")

    from emnist.models import load_model  # torch takes seconds to import, --help need not wait for it

    model, about = load_model(arguments.weights)
    readings, failed = [], False
    for path in arguments.images:
        try:
            guesses = predict(model, about, read_character(path))[: arguments.top]
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            failed = True
            continue
        readings.append({"file": path, "predictions": [{"character": c, "probability": p} for c, p in guesses]})
        if not arguments.json:
            print(f"{path}:", ", ".join(f"{c} {p:.1%}" for c, p in guesses))
    if arguments.json:
        print(json.dumps(readings, indent=2))
    sys.exit(failed)


def predict(model, about, image):
    """Rank the classes of a character.

    Parameters
    ----------
    model : torch.nn.Module
    about : dict
        Both as given by `emnist.models.load_model`.
    image : numpy.ndarray of uint8, shape (28, 28)
        As EMNIST has it: upright, white on black.

    Returns
    -------
    list of (str, float)
        Every character the model knows with its probability, the likeliest first.
    """
    import torch

    pixels = (torch.from_numpy(image).float() / 255 - about["mean"]) / about["std"]
    with torch.inference_mode():
        probabilities = model(pixels[None, None]).softmax(dim=1)[0].double()
    order = probabilities.argsort(descending=True, stable=True).tolist()
    return [(about["classes"][label], probabilities[label].item()) for label in order]


if __name__ == "__main__":
    run_cli(main)
