"""Time to the test accuracy of the original experiment: the package's training against the original's way.

    python -m benchmarks.time_to_accuracy FOLDER
    python -m benchmarks.time_to_accuracy FOLDER --models vggnet --threads 2

FOLDER holds EMNIST ByClass. Ours is the annealed recipe's SGD on all training images. The
original's way is the plain loop of `benchmarks.speed` in float32, with a constant rate. It trains for as many seconds
as ours took, which measures its seconds an epoch and its accuracy at equal time. All its epochs would take most of a
day, so the time for them is computed from the seconds of one.
"""

import time
from dataclasses import replace
from itertools import chain, repeat

import torch
from torch.utils.data import DataLoader

from benchmarks import add_names, make_parser, print_header, print_row
from benchmarks.speed import PlainDataset, plain_epoch
from emnist.data.datasets import load_emnist
from emnist.data.subsets import statistics
from emnist.models import build_model
from emnist.params import load_params
from emnist.training.augmentation import Affine
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import validate
from emnist.training.loop import fit, seed_torch
from emnist.training.optimizers import SGD
from emnist.training.recipe import Recipe
from emnist.utils.environment import cores
from emnist.utils.errors import run_cli

# Test accuracy in percent, from the table of the original experiment's README. The table lacks lenet: its figure is of
# its published weights, which are not fine-tuned.
TARGETS = {"lenet": 82.53, "alexnet": 86.96, "vggnet": 87.24, "resnet": 86.88, "spinalnet": 85.92}

# Ours: one-cycle SGD. Chosen on validation images of EMNIST.
AFFINE = Affine(degrees=10, translate=0.05, scale=(0.9, 1.1), shear=3)
BASE = Recipe(SGD(momentum=0.9, weight_decay=5e-4), 0.1, 6, 128, "one_cycle", (AFFINE,), clip_norm=1.0)
OURS = {
    "lenet": replace(BASE, optimizer=SGD(momentum=0.9, weight_decay=1e-4), batch_size=64, dropout=0.0),
    "alexnet": replace(BASE, epochs=10, dropout=0.2),
    "vggnet": replace(BASE, epochs=5, learning_rate=0.05, batch_size=32, dropout=0.25, without_augmentation=0.25),
    "resnet": replace(BASE, epochs=8, learning_rate=0.2),
    "spinalnet": replace(BASE, dropout=0.2),
}
# The original: what its search found is not published, so its hyperparameters are from the middle of its search space.
RATE, MOMENTUM, WEIGHT_DECAY, BATCH_SIZE = 0.01, 0.9, 1e-4, 64
PRETRAINING = 200 * 0.9  # passes over the training images: 200 epochs of SGD on 90 % of them
FINETUNING = 50  # passes over all of them: 50 epochs of Adam


def train_originals_way(params, name, dataset, device, seconds):
    """Train by the plain loop until the seconds are over, and return the model and the seconds of an epoch."""
    seed_torch(params.seed, "weights")
    model = build_model(name).to(device)
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    loader = DataLoader(dataset, BATCH_SIZE, shuffle=True, num_workers=2)
    start, seen = time.perf_counter(), 0

    def batches():
        nonlocal seen
        for images, labels in chain.from_iterable(repeat(loader)):  # epoch after epoch
            yield images, labels
            seen += len(labels)
            if time.perf_counter() - start >= seconds:
                return

    plain_epoch(model, optimizer, batches(), device)
    return model, (time.perf_counter() - start) / seen * len(dataset)


def compare(params, name, recipe, threads, train, test, pixel_stats):
    """Train a model both ways, and return its row of the table (list of str).

    `name` is a key of `TARGETS`, `recipe` a value of `OURS`; `train` and `test` are pairs of images and labels.
    """

    def accuracy(model, hardware):
        return 100 * validate(model, ImageBatches(*test, hardware, pixel_stats))["validation_accuracy"]

    hardware = setup_hardware(params.compute, build_model(name), threads)
    batches = ImageBatches(*train, hardware, pixel_stats, augmentations=recipe.augmentations)
    seed_torch(params.seed, "weights")
    model, start = hardware.to_device(build_model(name)), time.perf_counter()
    fit("pretrain", model, recipe, batches, seed=params.seed, quiet=True)
    seconds = time.perf_counter() - start
    ours = accuracy(model, hardware)
    plain = setup_hardware(params.compute.model_copy(update={"precision": "float32"}), model, threads)
    model, epoch = train_originals_way(params, name, PlainDataset(*train, pixel_stats), plain.device, seconds)
    theirs = accuracy(plain.to_device(model), plain)
    all_epochs = (PRETRAINING + FINETUNING * (name != "lenet")) * epoch
    reached = "yes" if ours >= TARGETS[name] else "no"
    of_ours = f"{recipe.epochs}", f"{seconds:,.1f}", f"{ours:.2f}", reached
    of_theirs = f"{epoch:,.1f}", f"{all_epochs:,.0f}", f"{all_epochs / seconds:.0f}", f"{theirs:.2f}"
    return [name, f"{TARGETS[name]:.2f}", *of_ours, *of_theirs, f"{ours - theirs:+.2f}"]


def main():
    parser = make_parser(__doc__, "FOLDER")
    add_names(parser, "--models", TARGETS)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--epochs", type=int, help="of ours (default: each model's own)")
    parser.add_argument("--images", type=int, help="training images to draw (default: all)")
    options = parser.parse_args()
    params = load_params()
    train = load_emnist("train", options.images, params.seed, folder=options.folder)
    test = load_emnist("test", folder=options.folder)
    print(f"{options.threads} threads, {len(train[1]):,} training and {len(test[1]):,} test images\n")
    ours = "ours: epochs", "s", "test accuracy (%)", "reached"
    theirs = "the original's way: s an epoch", "s in all", "times ours", "test accuracy at equal time (%)"
    print_header("model", "the original's test accuracy (%)", *ours, *theirs, "ours is higher by")
    for name in options.models:
        recipe = replace(OURS[name], epochs=options.epochs) if options.epochs else OURS[name]
        print_row(*compare(params, name, recipe, options.threads, train, test, statistics(train[0])))


if __name__ == "__main__":
    run_cli(main)
