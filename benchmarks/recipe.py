"""Comparison of the training recipes, on real characters in the official layout.

    python -m benchmarks.recipe compare FOLDER                    # both recipes, on validation images
    python -m benchmarks.recipe compare FOLDER --test             # the same, on test images: once, at the end
    python -m benchmarks.recipe ablate FOLDER --models spinalnet  # the annealed one without each ingredient
    python -m benchmarks.recipe rank FOLDER --models spinalnet    # whether the search's score predicts the final one
    python -m benchmarks.recipe shifts FOLDER --models lenet      # test-time augmentation by shifts

Every run but those of `rank` has the original experiment's 20 epochs of SGD and 5 of Adam; batches have 64 images by
default. Runs are parallel, with one thread each.
"""

import itertools
import json
import statistics
import time

import torch
from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

from benchmarks import make_parser, names, numbers, print_header, print_row
from emnist.data.datasets import load_emnist
from emnist.data.subsets import partition
from emnist.data.subsets import statistics as pixel_statistics
from emnist.evaluation.tta import ShiftTTA
from emnist.models import build_model, set_dropout
from emnist.params import FinetuneRecipe, PretrainRecipe, load_params
from emnist.search import run_trial, sample_configs, search_space
from emnist.training.augmentation import build_augmentations
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3, validate
from emnist.training.loop import fit, seed_torch
from emnist.training.optimizers import build_optimizer
from emnist.utils.environment import cores

EPOCHS = 20, 5
CONFIGS = {
    "baseline": {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    "annealed": {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
}
WITHOUT = {  # ingredient: changes to config, pretrain and finetune that remove it
    "nothing": ({}, {}, {}),  # the whole recipe
    "one-cycle rate": ({}, {"schedule": "constant"}, {}),
    "one-cycle rate, and its height": ({"learning_rate": 0.01}, {"schedule": "constant"}, {}),
    "Adam's falling rate": ({}, {}, {"schedule": "constant"}),
    "the last epochs without augmentation": ({}, {"unaugmented": 0.0}, {"unaugmented": 0.0}),
}


def train(params, images, labels, name, seed, config, pretrain, finetune, score, *, epochs=EPOCHS, whole=False):
    """Train as the pipeline does, with one thread.

    Parameters
    ----------
    params : emnist.params.Params
    images, labels : numpy.ndarray
    name : str
        The architecture.
    seed : int
    config : dict
        The hyperparameters of SGD, the batch size of SGD and Adam, and the rate of dropout of each architecture.
    pretrain, finetune : emnist.params.PretrainRecipe, emnist.params.FinetuneRecipe
    score : callable
        Called with the model and a function that makes `ImageBatches` of arrays (images, labels, indices).
    epochs : (int, int)
        Of SGD and of Adam.
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
    set_dropout(model, config["dropout"].get(name))
    hardware = setup_hardware(params.compute, model, threads=1)
    model = hardware.to_device(model)

    def make_batches(images, labels, indices=None):
        return ImageBatches(images, labels, hardware, pixel_stats, indices)

    common = {
        "augmentations": build_augmentations(params.augmentation),
        "batch_size": config["batch_size"],
        "seed": seed,
        "quiet": True,
    }

    fit(
        "pretrain",
        model,
        build_optimizer("sgd", params.optimizers["sgd"], model.parameters(), config),
        make_batches(images, labels, parts["pretrain"]),
        validation=make_batches(images, labels, parts["validation"]),
        epochs=epochs[0],
        clip_norm=params.pretrain.clip_norm,
        unaugmented=pretrain.unaugmented,
        schedule=pretrain.schedule,
        **common,
    )
    scores = [score(model, make_batches)]
    adam = torch.optim.Adam(model.parameters(), lr=params.finetune.learning_rate, fused=True)
    fit(
        "finetune",
        model,
        adam,
        make_batches(images, labels, None if whole else parts["pretrain"]),
        epochs=epochs[1],
        clip_norm=params.finetune.clip_norm,
        unaugmented=finetune.unaugmented,
        schedule=finetune.schedule,
        **common,
    )
    return [*scores, score(model, make_batches)]


def in_parallel(function, calls, workers):
    """Call a function with each of the tuples of arguments in `workers` processes, and yield the results in order."""
    parallel = Parallel(n_jobs=workers, return_as="generator", mmap_mode="c")
    return parallel(delayed(function)(*arguments) for arguments in calls)


def train_and_score(params, data, test, *run):
    """Train and score a run, of which `train` has the arguments, on test images if `test`, else on validation images.

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
    runs = list(itertools.product(options.models, variants, options.seeds))
    calls = [(params, data, options.test, name, seed, *variants[label]) for name, label, seed in runs]
    done = in_parallel(train_and_score, calls, options.workers)
    seeds = ", ".join(map(str, options.seeds))
    part = "test" if options.test else "validation"
    print(f"Accuracy and macro F1 on {part} images in percent, seeds {seeds}: mean, standard deviation\n")
    print_header("model", "recipe", "SGD: accuracy", "macro F1", "then Adam: accuracy", "macro F1", "s a run")
    for name, label in itertools.product(options.models, variants):
        *columns, seconds = zip(*(next(done) for _ in options.seeds))
        cells = [f"{statistics.mean(c):.2f}" + (f" ± {statistics.stdev(c):.2f}" if len(c) > 1 else "") for c in columns]
        print_row(name, label, *cells, f"{statistics.median(seconds):.0f}")


def recipe(params, name, batch_size=64):
    """Return the configuration of SGD and the sections `pretrain` and `finetune` of a recipe."""
    params = params.model_copy(update={"recipe": name})
    config = CONFIGS[name] | {"batch_size": batch_size, "dropout": params.dropout[name]}
    return config, params.pretrain[params.recipe], params.finetune[params.recipe]


def compare(params, data, options):
    """Compare both recipes."""
    table(params, data, options, {name: recipe(params, name, options.batch_size) for name in CONFIGS})


def ablate(params, data, options):
    """Train the annealed recipe without each of its ingredients."""
    config, pretrain, finetune = recipe(params, "annealed")
    variants = {}
    for ingredient, (of_config, of_pretrain, of_finetune) in WITHOUT.items():
        sections = PretrainRecipe(**dict(pretrain) | of_pretrain), FinetuneRecipe(**dict(finetune) | of_finetune)
        variants[f"without {ingredient}"] = config | of_config, *sections
    table(params, data, options, variants)


def rank(params, data, options):
    """Correlate the search's score of 12 configurations with their validation loss after pre-training.

    Both are as long as `params.yaml` has them for its size. A search half as long is measured, too.
    """
    images, labels, *_ = data
    parts, pixel_stats = partition(labels, params.seed), pixel_statistics(images)
    trial = images, labels, pixel_stats, parts["mini-train"], parts["mini-validation"]
    search, epochs = params.search[params.size], params.pretrain[params.size].epochs
    shorter = search.model_copy(update={"epochs": search.epochs // 2})
    halved = params.search.model_copy(update={params.size: shorter})
    pretrain, finetune, dropout = (
        section[params.recipe] for section in (params.pretrain, params.finetune, params.dropout)
    )

    def final_loss(model, make_batches):
        return validate(model, make_batches(images, labels, parts["validation"]))["validation_loss"]

    for name in options.models:
        params = params.model_copy(update={"model": name})
        half = params.model_copy(update={"search": halved})
        chosen = sample_configs(search_space(params), 12, params.seed)

        def score(config):
            short = [run_trial(config, some, *trial) for some in (params, half)]
            recipe = config | {"dropout": dropout}, pretrain, finetune
            final, _ = train(params, images, labels, name, params.seed, *recipe, final_loss, epochs=(epochs, 0))
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
        calls = [(params, images, labels, name, seed, *recipe(params, "annealed"), score) for seed in options.seeds]
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
