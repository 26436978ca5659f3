"""Test accuracy by the number of training images, and what it foretells for all of EMNIST ByClass.

    python -m benchmarks.learning_curve FOLDER

Each network trains on images drawn at random from FOLDER, by the recipe `annealed` with the epochs of `size: original` and
the hyperparameters that the search found there. A power law with an offset [1]_ is fitted to the test errors. Its
uncertainty is that of fits to errors which differ from it at random, as those of several seeds do.

The runs are kept in `benchmarks/learning_curve.csv`, so that an interrupted command continues. Remove the file to train all
of them again. `benchmarks/learning_curve.png` shows the curves.

References
----------
.. [1] Hestness et al., 2017, "Deep learning scaling is predictable, empirically", arXiv:1712.00409.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.optimize import least_squares

from benchmarks import add_names, make_parser, numbers, print_header, print_row
from emnist.data.datasets import load_emnist
from emnist.data.subsets import partition, statistics
from emnist.models import build_model
from emnist.params import load_params
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3
from emnist.training.loop import fit, seed_torch
from emnist.training.recipe import finetune_recipe, pretrain_recipe
from emnist.utils.environment import cores
from emnist.utils.errors import run_cli

FOUND = {  # by the search of the runs in docs/results.md
    "lenet": {"learning_rate": 0.05, "batch_size": 64, "momentum": 0.9, "weight_decay": 0.0},
    "resnet": {"learning_rate": 0.1, "batch_size": 32, "momentum": 0.9, "weight_decay": 0.0005},
}
IMAGES = [6250, 12500, 25000, 50000, 100000]
SEEDS, ONE_SEED_FROM = [42, 43, 44], 50000
ALL = 697_932  # training images of EMNIST ByClass
PUBLISHED = [88.43, 88.61]  # the highest accuracies on its official test images that we know
FITS = 1000
RUNS = Path(__file__).with_suffix(".csv")
COLUMNS = ["model", "images", "seed", "accuracy"]


def train_missing(options):
    """Train the runs that `RUNS` lacks, add each when it has ended, and return all of them (pandas.DataFrame)."""
    if not RUNS.exists():
        RUNS.write_text(",".join(COLUMNS) + "\n")
    done = {tuple(row) for row in pd.read_csv(RUNS)[COLUMNS[:3]].itertuples(index=False)}
    missing = [
        (model, images, seed)
        for images in options.images
        for seed in SEEDS[: 1 if images >= ONE_SEED_FROM else None]
        for model in options.models
        if (model, images, seed) not in done
    ]
    if missing:
        test = load_emnist("test", folder=options.folder)
        params = load_params().model_copy(update={"size": "original", "recipe": "annealed"})
        calls = [delayed(accuracy_of)(params, options.folder, test, *run) for run in missing]
        parallel = Parallel(n_jobs=options.workers, return_as="generator")
        for run, accuracy in zip(missing, parallel(calls)):
            with RUNS.open("a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow([*run, f"{accuracy:.4f}"])
    return pd.read_csv(RUNS)


def accuracy_of(params, folder, test, model, count, seed):
    """Train a model on `count` images as the pipeline does, with one thread, and return its test accuracy in percent."""
    params = params.model_copy(update={"model": model, "seed": seed})
    images, labels = load_emnist("train", count, seed, folder=folder)
    parts, pixel_stats = partition(labels, seed), statistics(images)
    sgd, adam = pretrain_recipe(params, FOUND[model]), finetune_recipe(params)
    seed_torch(seed, "weights")
    network = build_model(model)
    hardware = setup_hardware(params.compute, network, threads=1)
    network = hardware.to_device(network)
    train = ImageBatches(images, labels, hardware, pixel_stats, parts["pretrain"], sgd.augmentations)
    validation = ImageBatches(images, labels, hardware, pixel_stats, parts["validation"])
    fit("pretrain", network, sgd, train, seed=seed, validation=validation, quiet=True)
    everything = ImageBatches(images, labels, hardware, pixel_stats, augmentations=adam.augmentations)
    fit("finetune", network, adam, everything, seed=seed, quiet=True)
    top3, _, _ = predict_top3(network, ImageBatches(*test, hardware, pixel_stats))
    return 100 * np.mean(top3[:, 0] == test[1])


def error_at(law, images):
    """Return the error in percent that a law (offset, factor, exponent) has at numbers of images."""
    offset, factor, exponent = law
    return offset + factor * (np.asarray(images) / IMAGES[0]) ** -exponent


def fit_law(images, errors):
    """Fit the law to errors in percent by least squares."""
    bounds = [0, 0, 0.05], [errors.min(), 100, 3]
    start = 0.9 * errors.min(), np.ptp(errors) + 0.1, 0.5
    return least_squares(lambda law: error_at(law, images) - errors, start, bounds=bounds).x


def extrapolate(runs, at):
    """Fit a model's runs.

    Parameters
    ----------
    runs : pandas.DataFrame
        Columns ``images`` and ``accuracy``.
    at : numpy.ndarray of int, shape (K,)

    Returns
    -------
    law : numpy.ndarray of float, shape (3,)
    accuracies : numpy.ndarray of float, shape (3, K)
        In percent: the law's at these numbers of images, and the 2.5th and 97.5th percentiles of refits.
    """
    images, errors = runs["images"].to_numpy(), 100 - runs["accuracy"].to_numpy()
    law = fit_law(images, errors)
    noise = np.sqrt(np.sum((error_at(law, images) - errors) ** 2) / (len(errors) - len(law)))
    rng = np.random.default_rng(0)
    refits = [fit_law(images, error_at(law, images) + rng.normal(0, noise, len(images))) for _ in range(FITS)]
    bounds = np.percentile([100 - error_at(refit, at) for refit in refits], [2.5, 97.5], axis=0)
    return law, np.vstack([100 - error_at(law, at), bounds])


def draw(runs, path):
    """Draw the runs, their laws and what these foretell."""
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    at = np.geomspace(IMAGES[0], ALL, 50)
    for colour, (model, own) in zip(plt.get_cmap("tab10").colors, runs.groupby("model")):
        _, (middle, low, high) = extrapolate(own, at)
        axis.plot(own["images"], own["accuracy"], "o", color=colour, markersize=4)
        axis.plot(at, middle, color=colour, label=model)
        axis.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0)
    for accuracy in PUBLISHED:
        axis.axhline(accuracy, color="0.5", linestyle=":")
    axis.axvline(ALL, color="0.5", linestyle="--")
    at_the_right = {"xytext": (-6, 6), "textcoords": "offset points", "ha": "right"}
    axis.annotate("all of ByClass", (ALL, runs["accuracy"].min()), **at_the_right)
    best = ", ".join(f"{accuracy:.2f} %" for accuracy in PUBLISHED)
    axis.annotate(f"published: {best}", (IMAGES[0], PUBLISHED[0]), xytext=(0, -14), textcoords="offset points")
    axis.set(xscale="log", xlabel="training images", ylabel="test accuracy (%)")
    axis.set_xticks([*IMAGES, ALL])
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend(loc="upper left", bbox_to_anchor=(0, 0.85), frameon=False)
    figure.savefig(path, dpi=120)


def main():
    parser = make_parser(__doc__, "FOLDER")
    add_names(parser, "--models", FOUND)
    parser.add_argument("--images", type=numbers, default=IMAGES)
    parser.add_argument("--workers", type=int, default=cores(), help="runs side by side, each with one thread")
    runs = train_missing(parser.parse_args())
    table = runs.pivot_table("accuracy", "images", "model", aggfunc=list)
    print_header("training images", *table.columns)
    for images, row in table.iterrows():
        cells = [f"{np.mean(each):.2f}" + (f" ± {np.std(each, ddof=1):.2f}" if len(each) > 1 else "") for each in row]
        print_row(f"{images:,}", *cells)
    print()
    for model, own in runs.groupby("model"):
        (offset, factor, exponent), ((middle,), (low,), (high,)) = extrapolate(own, np.array([ALL]))
        print(
            f"{model}: error {offset:.2f} + {factor:.2f} (n / {IMAGES[0]:,})^-{exponent:.2f} %; "
            f"with {ALL:,} images an accuracy of {middle:.2f} %, from {low:.2f} to {high:.2f}"
        )
    draw(runs, RUNS.with_suffix(".png"))


if __name__ == "__main__":
    run_cli(main)
