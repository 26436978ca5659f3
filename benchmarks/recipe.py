"""Comparison of the training recipes, on real characters in the official layout.

    python -m benchmarks.recipe compare FOLDER                    # both recipes, on validation images
    python -m benchmarks.recipe compare FOLDER --test             # the same, on test images: once, at the end
    python -m benchmarks.recipe ablate FOLDER --models spinalnet  # the annealed one without each ingredient
    python -m benchmarks.recipe rank FOLDER --models spinalnet    # whether the search's score predicts the final one
    python -m benchmarks.recipe shifts FOLDER --models lenet      # test-time augmentation by shifts

Every run but those of `rank` has the original experiment's 20 epochs of SGD and 5 of Adam; batches have 64 images by
default. Runs are parallel, with one thread each.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from functools import partial

from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

import emnist  # noqa: F401  before torch, since it sets an environment variable that torch's threads read
from emnist.data.datasets import load_emnist
from emnist.data.subsets import partition
from emnist.data.subsets import statistics as pixel_statistics
from emnist.evaluation.tta import ShiftTTA
from emnist.models import build_model
from emnist.params import load_params
from emnist.search import run_trial, sample_configs
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3, validate
from emnist.training.loop import fit, seed_torch
from emnist.training.recipe import finetune_recipe, pretrain_recipe, search_space
from emnist.utils.environment import cores

EPOCHS = 20, 5
CONFIGS = {
    "baseline": {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    "annealed": {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
}
WITHOUT = {  # ingredient: changes to the recipes of SGD and of Adam that remove it
    "nothing": ({}, {}),  # the whole recipe
    "one-cycle rate": ({"schedule": "constant"}, {}),
    "one-cycle rate, and its height": ({"schedule": "constant", "learning_rate": 0.01}, {}),
    "Adam's falling rate": ({}, {"schedule": "constant"}),
    "the last epochs without augmentation": ({"without_augmentation": 0.0}, {"without_augmentation": 0.0}),
}


def train(params, images, labels, name, seed, recipes, score, whole=False):
    """Train as the pipeline does, with one thread.

    Parameters
    ----------
    params : emnist.params.Params
    images, labels : numpy.ndarray
    name : str
        The architecture.
    seed : int
    recipes : (emnist.training.recipe.Recipe, emnist.training.recipe.Recipe)
        Of SGD and of Adam.
    score : callable
        Called with the model and a function that makes `ImageBatches` of arrays (images, labels, indices).
    whole : bool
        Whether Adam trains on the validation images too, as the pipeline's does.

    Returns
    -------
    list
        What `score` returns after SGD and after Adam.
    """
    parts, pixel_stats = partition(labels, params.seed), pixel_statistics(images)
    seed_torch(seed, "weights")
    model = build_model(name)
    hardware = setup_hardware(params.compute, model, threads=1)
    model = hardware.to_device(model)

    def make_batches(images, labels, indices=None):
        return ImageBatches(images, labels, hardware, pixel_stats, indices, recipes[0].augmentations)

    sgd_images = make_batches(images, labels, parts["pretrain"])
    adam_images = make_batches(images, labels) if whole else sgd_images
    validation = make_batches(images, labels, parts["validation"])
    fit("pretrain", model, recipes[0], sgd_images, seed=seed, validation=validation, quiet=True)
    scores = [score(model, make_batches)]
    fit("finetune", model, recipes[1], adam_images, seed=seed, quiet=True)
    return [*scores, score(model, make_batches)]


def train_and_score(params, data, test, *run):
    """Train a run, and return its scores.

    Parameters
    ----------
    params : emnist.params.Params
    data : list of numpy.ndarray
        Training images and labels, test images and labels.
    test : bool
        Whether to score on test images, not on validation images.
    *run
        The arguments `name`, `seed` and `recipes` of `train`.

    Returns
    -------
    tuple of float
        Accuracy and macro F1 in percent after SGD, the same after Adam, and the seconds of the run.
    """
    start = time.perf_counter()
    images, labels, *held_out = data
    if not test:
        held_out = images, labels, partition(labels, params.seed)["validation"]

    def score(model, make_batches):
        batches = make_batches(*held_out)
        top3, _, _ = predict_top3(model, batches)
        truth = batches.labels[batches.indices].numpy()
        return (100 * (top3[:, 0] == truth).mean(), 100 * f1_score(truth, top3[:, 0], average="macro", zero_division=0))

    after_sgd, after_adam = train(params, images, labels, *run, score, whole=test)
    return *after_sgd, *after_adam, time.perf_counter() - start


def table(params, data, options, variants):
    """Train each variant with each model and seed, and print means and standard deviations as a Markdown table."""
    runs = [
        (name, label, seed, variant(name))
        for name in options.models
        for label, variant in variants.items()
        for seed in options.seeds
    ]
    done = Parallel(n_jobs=options.workers, return_as="generator", mmap_mode="c")(
        delayed(train_and_score)(params, data, options.test, name, seed, recipes) for name, _, seed, recipes in runs
    )
    print(
        f"Accuracy and macro F1 on {'test' if options.test else 'validation'} images in percent, seeds "
        f"{', '.join(map(str, options.seeds))}: mean, standard deviation\n\n"
        "| model | recipe | SGD: accuracy | macro F1 | then Adam: accuracy | macro F1 | s a run |\n"
        + "| --- " * 7
        + "|"
    )
    rows = {}
    for (name, label, *_), scores in zip(runs, done):
        gathered = rows.setdefault((name, label), [])
        gathered.append(scores)
        if len(gathered) == len(options.seeds):
            *columns, seconds = zip(*gathered)
            cells = [
                f"{statistics.mean(c):.2f}" + (f" ± {statistics.stdev(c):.2f}" if len(c) > 1 else "") for c in columns
            ]
            print(f"| {name} | {label} | " + " | ".join(cells) + f" | {statistics.median(seconds):.0f} |", flush=True)


def recipes_of(params, recipe, model, batch_size=64, changes=({}, {})):
    """Make the recipes of SGD and of Adam that a recipe of `params.yaml` gives a model, with `changes` to each."""
    params = params.model_copy(update={"recipe": recipe, "model": model})
    made = pretrain_recipe(params, CONFIGS[recipe] | {"batch_size": batch_size}), finetune_recipe(params)
    return [
        replace(each, **{"epochs": epochs, "batch_size": batch_size, "patience": None} | change)
        for each, epochs, change in zip(made, EPOCHS, changes)
    ]


def compare(params, data, options):
    """Compare both recipes."""
    table(
        params,
        data,
        options,
        {name: partial(recipes_of, params, name, batch_size=options.batch_size) for name in CONFIGS},
    )


def ablate(params, data, options):
    """Train the annealed recipe without each of its ingredients."""
    variants = {
        f"without {name}": partial(recipes_of, params, "annealed", changes=changes) for name, changes in WITHOUT.items()
    }
    table(params, data, options, variants)


def rank(params, data, options):
    """Correlate the search's score of 12 configurations with their validation loss after pre-training.

    Both as long as `params.yaml` has them for its size, and the search half as long, too.
    """
    images, labels, *_ = data
    parts, pixel_stats = partition(labels, params.seed), pixel_statistics(images)
    trial = images, labels, pixel_stats, parts["mini-train"], parts["mini-validation"]
    size = params.sizes[params.size]
    halved = params.sizes | {params.size: size.model_copy(update={"trial_epochs": size.trial_epochs // 2})}

    def final_loss(model, make_batches):
        return validate(model, make_batches(images, labels, parts["validation"]))["validation_loss"]

    for name in options.models:
        params = params.model_copy(update={"model": name})
        half = params.model_copy(update={"sizes": halved})
        chosen = sample_configs(search_space(params), 12, params.seed)

        def score(config):
            short = [run_trial(config, some, *trial) for some in (params, half)]
            recipes = pretrain_recipe(params, config), replace(finetune_recipe(params), epochs=0)
            final, _ = train(params, images, labels, name, params.seed, recipes, final_loss)
            return *(float("inf") if loss is None else loss for loss in short), final

        rows = []
        for config, losses in zip(
            chosen,
            Parallel(n_jobs=options.workers, return_as="generator", mmap_mode="c")(
                delayed(score)(config) for config in chosen
            ),
        ):
            rows.append(losses)
            print(
                f"{name}: {json.dumps(config)}  search {losses[0]:.4f}, half {losses[1]:.4f}, final {losses[2]:.4f}",
                flush=True,
            )
        *shorts, finals = zip(*rows)
        for label, losses in zip(("search", "half the search"), shorts):
            place = sorted(finals).index(finals[losses.index(min(losses))]) + 1
            print(
                f"{name}, {label}: Spearman's rank correlation {spearmanr(losses, finals).statistic:.2f} over "
                f"{len(rows)} configurations, the best of the search ends as number {place}",
                flush=True,
            )


def shifts(params, data, options):
    """Measure validation accuracy without TTA, and with shifts by up to one and by up to two pixels."""
    images, labels, *_ = data
    held_out, pixel_stats = partition(labels, params.seed)["validation"], pixel_statistics(images)

    def score(model, make_batches):
        batches = make_batches(images, labels, held_out)
        return [
            100 * (predict_top3(ShiftTTA(model, max_shift, pixel_stats), batches)[0][:, 0] == labels[held_out]).mean()
            for max_shift in (0, 1, 2)
        ]

    for name in options.models:
        done = Parallel(n_jobs=options.workers, mmap_mode="c")(
            delayed(train)(params, images, labels, name, seed, recipes_of(params, "annealed", name), score)
            for seed in options.seeds
        )
        means = [statistics.mean(scores) for scores in zip(*(after_adam for _, after_adam in done))]
        print(
            f"{name}: accuracy on validation images {means[0]:.2f} %, mean over shifts of one pixel {means[1]:.2f} %, "
            f"of two {means[2]:.2f} %; seeds {', '.join(map(str, options.seeds))}",
            flush=True,
        )


COMMANDS = {command.__name__: command for command in (compare, ablate, rank, shifts)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("folder", metavar="FOLDER", help="folder of emnist-byclass-*.gz")
    parser.add_argument("--models", type=lambda text: text.split(","), default=["vggnet", "spinalnet"])
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[42, 43, 44])
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--images", type=int, help="training images to draw (default: all)")
    parser.add_argument("--batch-size", type=int, default=64, help="of compare (default: 64)")
    parser.add_argument("--test", action="store_true", help="score on test images, not on validation images")
    options = parser.parse_args()
    params = load_params()
    data = [
        array
        for part, images in [("train", options.images), ("test", None)]
        for array in load_emnist(part, images, params.seed, folder=options.folder)
    ]
    COMMANDS[options.command](params, data, options)


if __name__ == "__main__":
    main()
