"""Draw the initial weights, or take those of a pretrained network."""

from emnist.data.classes import CHARACTERS
from emnist.models import build_model, load_pretrained
from emnist.models.weights import save_weights
from emnist.training.loop import seed_torch
from emnist.utils.stage import run_stage


def main(params):
    if params.pretrained:
        model, metadata = load_pretrained(params.pretrained)
    else:
        seed_torch(params.seed, "weights")
        model = build_model(params.model)
        metadata = {"model": params.model, "classes": CHARACTERS, "mean": 0.0, "std": 1.0}  # trained on no image
    save_weights("data/weights/initial.safetensors", model, **metadata)


if __name__ == "__main__":
    run_stage(main)
