"""Draw the initial weights, or take those of a pretrained network."""

from emnist.data.classes import classes_of, pack_classes
from emnist.models import build_model, load_pretrained, replace_head
from emnist.models.weights import save_weights
from emnist.training.loop import seed_torch
from stages._process import run_stage


def main(params):
    classes = classes_of(params.dataset)
    seed_torch(params.seed, "weights")
    if params.pretrained:
        model, metadata = load_pretrained(params.pretrained)
        if tuple(metadata["classes"]) != classes:  # the features stay
            model = replace_head(model, len(classes))
    else:
        model = build_model(params.model, len(classes))
        metadata = {"model": params.model, "mean": 0.0, "std": 1.0}  # trained on no image
    save_weights("data/weights/initial.safetensors", model, **metadata | {"classes": pack_classes(classes)})


if __name__ == "__main__":
    run_stage(main)
