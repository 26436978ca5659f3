"""What a pretrained network is worth to an alphabet that it has not seen, by the number of images of each character.

    python -m benchmarks.alphabet [--model resnet] [--epochs 4]

The characters are the 33 letters of Russian, rendered as `source: sample` does: by one typeface, so these are no results
on handwriting. A network is trained by the recipe `annealed`'s SGD, once from random weights and once from the pretrained
network's features with a new head, which the stage `initialise` gives. Test images are by other synthetic writers.
"""

from dataclasses import replace

import numpy as np

from benchmarks import make_parser, print_header, print_row
from emnist.data.subsets import statistics, stratified
from emnist.models import ARCHITECTURES, PRETRAINED, build_model, load_pretrained, replace_head
from emnist.params import load_params
from emnist.sources.sample import render
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3
from emnist.training.loop import fit, seed_torch
from emnist.training.recipe import pretrain_recipe
from emnist.utils.errors import run_cli

RUSSIAN = list("абвгдеёжзийклмнопрстуфхцчшщъыьэюя")
PER_CLASS = (10, 30, 100)
SGD = {"learning_rate": 0.05, "batch_size": 32, "momentum": 0.9, "weight_decay": 1e-4}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--model", default="resnet", choices=sorted({*ARCHITECTURES} & {*PRETRAINED}))
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    (labels, pages), (test_labels, test_pages) = (
        (labels, np.concatenate(list(pages)))
        for labels, pages in render(max(PER_CLASS) * len(RUSSIAN), 30 * len(RUSSIAN), 42, dataset=RUSSIAN)
    )
    params = load_params().model_copy(update={"model": options.model})
    recipe = pretrain_recipe(params, SGD)
    print_header("images of each", "from random weights (%)", f"from pretrained {options.model} (%)")
    for count in PER_CLASS:
        chosen = stratified(labels, count * len(RUSSIAN), np.random.default_rng(0))
        # Fewer images make as many steps as more, up to tenfold the epochs.
        recipe_of_count = replace(recipe, epochs=options.epochs * max(PER_CLASS) // count)
        scores = [
            score(params, recipe_of_count, pages[chosen], labels[chosen], test_pages, test_labels, pretrained)
            for pretrained in (False, True)
        ]
        print_row(count, *(f"{100 * each:.1f}" for each in scores))


def score(params, recipe, images, labels, test_images, test_labels, pretrained):
    """Train by a recipe, and return the accuracy on test images."""
    seed_torch(params.seed, "weights")
    if pretrained:
        model = replace_head(load_pretrained(params.model)[0], len(RUSSIAN)).requires_grad_(True)
    else:
        model = build_model(params.model, len(RUSSIAN))
    hardware = setup_hardware(params.compute, model)
    model, pixel_stats = hardware.to_device(model), statistics(images)
    train = ImageBatches(images, labels, hardware, pixel_stats, augmentations=recipe.augmentations)
    fit("pretrain", model, recipe, train, seed=params.seed, quiet=True)
    top3, _, _ = predict_top3(model, ImageBatches(test_images, test_labels, hardware, pixel_stats))
    return np.mean(top3[:, 0] == test_labels)


if __name__ == "__main__":
    run_cli(main)
