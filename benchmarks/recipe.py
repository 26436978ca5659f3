"""Comparison of the training recipes, on real characters in the official layout.

    python -m benchmarks.recipe compare FOLDER                    # both recipes, on validation images
    python -m benchmarks.recipe compare FOLDER --test             # the same, on test images: once, at the end
    python -m benchmarks.recipe ablate FOLDER --models spinalnet  # the annealed one without each ingredient
    python -m benchmarks.recipe rank FOLDER --models spinalnet    # whether the search's score predicts the final one
    python -m benchmarks.recipe shifts FOLDER --models lenet      # test-time augmentation by shifts

Every run but those of `rank` has 20 epochs of SGD and 5 of Adam; batches have 64 images by default. Runs are
parallel, with one thread each.
"""

import itertools
import json
import statistics
import time
from dataclasses import replace
from functools import partial

from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

from benchmarks import make_parser, names, numbers, print_header, print_row
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
    """Train an architecture as the pipeline does, with one thread, by two recipes: SGD's and Adam's.

    `score` is called after each, with the model and a function that makes `ImageBatches` of arrays (images, labels,
    indices); what it returned is returned, as a list. With `whole`, Adam trains on the validation images, too.
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


def in_parallel(function, calls, workers):
    """Call a function with each of the tuples of arguments in `workers` processes, and yield the results in order."""
    parallel = Parallel(n_jobs=workers, return_as="generator", mmap_mode="c")
    return parallel(delayed(function)(*arguments) for arguments in calls)


def train_and_score(params, data, test, *run):
    """Train and score a run, of which `train` has the arguments, on test images if `test`, else on validation images.

    Returned are accuracy and macro F1 in percent after SGD, the same after Adam, and the seconds of the run.
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
    runs = list(itertools.product(options.models, variants, options.seeds))
    calls = [(params, data, options.test, name, seed, variants[label](name)) for name, label, seed in runs]
    done = in_parallel(train_and_score, calls, options.workers)
    seeds = ", ".join(map(str, options.seeds))
    part = "test" if options.test else "validation"
    print(f"Accuracy and macro F1 on {part} images in percent, seeds {seeds}: mean, standard deviation\n")
    print_header("model", "recipe", "SGD: accuracy", "macro F1", "then Adam: accuracy", "macro F1", "s a run")
    for name, label in itertools.product(options.models, variants):
        *columns, seconds = zip(*(next(done) for _ in options.seeds))
        cells = [f"{statistics.mean(c):.2f}" + (f" ± {statistics.stdev(c):.2f}" if len(c) > 1 else "") for c in columns]
        print_row(name, label, *cells, f"{statistics.median(seconds):.0f}")


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
    variants = {name: partial(recipes_of, params, name, batch_size=options.batch_size) for name in CONFIGS}
    table(params, data, options, variants)


def ablate(params, data, options):
    """Train the annealed recipe without each of its ingredients."""
    variants = {
        f"without {name}": partial(recipes_of, params, "annealed", changes=changes) for name, changes in WITHOUT.items()
    }
    table(params, data, options, variants)


def rank(params, data, options):
    """Correlate the search's score of 12 configurations with their validation loss after pre-training.

    Both are as long as `params.yaml` has them for its size. A search half as long is measured, too.
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
        for config, losses in zip(chosen, in_parallel(score, [(config,) for config in chosen], options.workers)):
            rows.append(losses)
            figures = "search {:.4f}, half {:.4f}, final {:.4f}".format(*losses)
            print(f"{name}: {json.dumps(config)}  {figures}", flush=True)
        *shorts, finals = zip(*rows)
        for label, losses in zip(("search", "half the search"), shorts):
            correlation = spearmanr(losses, finals).statistic
            place = sorted(finals).index(finals[losses.index(min(losses))]) + 1
            print(
                f"{name}, {label}: Spearman's rank correlation {correlation:.2f} over {len(rows)} configurations, "
                f"the best of the search ends as number {place}",
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
        recipes = recipes_of(params, "annealed", name)
        calls = [(params, images, labels, name, seed, recipes, score) for seed in options.seeds]
        done = in_parallel(train, calls, options.workers)
        means = [statistics.mean(scores) for scores in zip(*(after_adam for _, after_adam in done))]
        print(
            f"{name}: accuracy on validation images {means[0]:.2f} %, mean over shifts of one pixel {means[1]:.2f} %, "
            f"of two {means[2]:.2f} %; seeds {', '.join(map(str, options.seeds))}",
            flush=True,
        )


COMMANDS = {command.__name__: command for command in (compare, ablate, rank, shifts)}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("folder", metavar="FOLDER", help="folder of emnist-byclass-*.gz")
    parser.add_argument("--models", type=names, default=["vggnet", "spinalnet"])
    parser.add_argument("--seeds", type=numbers, default=[42, 43, 44])
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--images", type=int, help="training images to draw (default: all)")
    parser.add_argument("--batch-size", type=int, default=64, help="of compare (default: 64)")
    parser.add_argument("--test", action="store_true", help="score on test images, not on validation images")
    options = parser.parse_args()
    params = load_params()
    train = load_emnist("train", options.images, params.seed, folder=options.folder)
    COMMANDS[options.command](params, [*train, *load_emnist("test", folder=options.folder)], options)


if __name__ == "__main__":
    main()
