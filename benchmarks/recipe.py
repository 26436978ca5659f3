"""What a recipe of training is worth, on real characters in the official layout.

    python -m benchmarks.recipe compare EMNIST_FOLDER                # both recipes, by validation images
    python -m benchmarks.recipe compare EMNIST_FOLDER --test         # the same, by test images: once, at the end
    python -m benchmarks.recipe ablate EMNIST_FOLDER --models spinalnet   # the annealed one without each ingredient
    python -m benchmarks.recipe rank EMNIST_FOLDER --models spinalnet     # whether the search's score predicts the final one
    python -m benchmarks.recipe shifts EMNIST_FOLDER --models lenet       # what averaging over shifts is worth

Every run has the original's 20 epochs of SGD, 5 of Adam and, unless told otherwise, batches of 64. Runs go side by side, a thread each.
"""

import argparse
import json
import statistics
import time

import torch
from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

import emnist  # noqa: F401  before torch, whose threads it tells how long to spin
from emnist.data.datasets import read_emnist
from emnist.data.subsets import partition
from emnist.data.subsets import statistics as pixel_statistics
from emnist.evaluation.tta import ShiftTTA
from emnist.models import build_model
from emnist.params import FinetuneRecipe, PretrainRecipe, load_params
from emnist.search import run_trial, sample_configs, search_space
from emnist.training.augmentation import build_augmentations
from emnist.training.batches import ImageBatches
from emnist.training.hardware import cores, setup_hardware
from emnist.training.inference import predict_top3
from emnist.training.loop import fit, seed_everything
from emnist.training.optimizers import build_optimizer

EPOCHS = 20, 5
DRAWS = {
    "baseline": {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    "annealed": {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
}
WITHOUT = {  # an ingredient: the changes to draw, pretrain and finetune that take it away
    "nothing": ({}, {}, {}),  # the whole recipe
    "one-cycle rate": ({}, {"schedule": "constant"}, {}),
    "one-cycle rate, and its height": ({"learning_rate": 0.01}, {"schedule": "constant"}, {}),
    "Adam's falling rate": ({}, {}, {"schedule": "constant"}),
}


def train(params, images, labels, name, seed, draw, pretrain, finetune, judge, *, epochs=EPOCHS, whole=False):
    """Train as the pipeline does, with one thread.

    Parameters
    ----------
    params : emnist.params.Params
    images, labels : numpy.ndarray
    name : str
        The architecture.
    seed : int
    draw : dict
        The hyperparameters of SGD, and the batch size of both.
    pretrain, finetune : emnist.params.PretrainRecipe, emnist.params.FinetuneRecipe
    judge : callable
        Gets the model and a function that makes `ImageBatches` of arrays as the model takes them.
    epochs : (int, int)
    whole : bool
        Whether Adam trains on the validation images too, as the pipeline's does.

    Returns
    -------
    list
        What `judge` gives after SGD and after Adam.
    """
    parts, pixels = partition(labels, params.seed), pixel_statistics(images)
    seed_everything(seed, "weights")
    model = build_model(name)
    hardware = setup_hardware(params.compute, model, threads=1)
    model = hardware.to_device(model)

    def placed(images, labels, indices=None):
        return ImageBatches(images, labels, hardware, pixels, indices)

    common = {
        "augmentations": build_augmentations(params.augmentation),
        "batch_size": draw["batch_size"],
        "seed": seed,
        "quiet": True,
    }

    fit(
        "pretrain",
        model,
        build_optimizer("sgd", params.optimizers["sgd"], model.parameters(), draw),
        placed(images, labels, parts["pretrain"]),
        validation=placed(images, labels, parts["validation"]),
        epochs=epochs[0],
        clip_norm=params.pretrain.clip_norm,
        schedule=pretrain.schedule,
        **common,
    )
    judged = [judge(model, placed)]
    adam = torch.optim.Adam(model.parameters(), lr=params.finetune.learning_rate, fused=True)
    fit(
        "finetune",
        model,
        adam,
        placed(images, labels, None if whole else parts["pretrain"]),
        epochs=epochs[1],
        clip_norm=params.finetune.clip_norm,
        schedule=finetune.schedule,
        **common,
    )
    return [*judged, judge(model, placed)]


def scored(params, data, test, *described):
    """Train, and give accuracy and macro F1 in percent after SGD and after Adam, and the seconds."""
    start = time.perf_counter()
    images, labels, *held_out = data
    if not test:
        held_out = images, labels, partition(labels, params.seed)["validation"]

    def judge(model, placed):
        judges = placed(*held_out)
        best, _, _ = predict_top3(model, judges)
        right = judges.labels[judges.indices].numpy()
        return (100 * (best[:, 0] == right).mean(), 100 * f1_score(right, best[:, 0], average="macro", zero_division=0))

    before, after = train(params, images, labels, *described, judge, whole=test)
    return *before, *after, time.perf_counter() - start


def table(params, data, options, variants):
    """Train each variant for each model and seed, and print the means."""
    runs = [
        (name, label, seed, *variant)
        for name in options.models
        for label, variant in variants.items()
        for seed in options.seeds
    ]
    done = Parallel(n_jobs=options.workers, return_as="generator", mmap_mode="c")(
        delayed(scored)(params, data, options.test, name, seed, *variant) for name, _, seed, *variant in runs
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


def recipe(params, name, batch_size=64):
    """Give the draw and the sections of a recipe in `params.yaml`."""
    params = params.model_copy(update={"recipe": name})
    return DRAWS[name] | {"batch_size": batch_size}, params.pretrain[params.recipe], params.finetune[params.recipe]


def compare(params, data, options):
    """Both recipes."""
    table(params, data, options, {name: recipe(params, name, options.batch_size) for name in DRAWS})


def ablate(params, data, options):
    """The annealed recipe without each of its ingredients."""
    draw, pretrain, finetune = recipe(params, "annealed")
    table(
        params,
        data,
        options,
        {
            f"without {ingredient}": (
                draw | changes[0],
                PretrainRecipe(**dict(pretrain) | changes[1]),
                FinetuneRecipe(**dict(finetune) | changes[2]),
            )
            for ingredient, changes in WITHOUT.items()
        },
    )


def rank(params, data, options):
    """The search's score of a dozen configurations against the validation loss after 20 epochs of SGD with each."""
    images, labels, *_ = data
    parts, pixels = partition(labels, params.seed), pixel_statistics(images)
    for name in options.models:
        params = params.model_copy(update={"model": name})
        chosen = sample_configs(search_space(params), 12, params.seed)

        def both(draw):
            short = run_trial(draw, params, images, labels, pixels, parts["mini-train"], parts["mini-validation"])
            seed_everything(params.seed, "weights")
            model = build_model(name)
            hardware = setup_hardware(params.compute, model, threads=1)
            model = hardware.to_device(model)
            recipe = params.pretrain[params.recipe]
            history = fit(
                "pretrain",
                model,
                build_optimizer("sgd", params.optimizers["sgd"], model.parameters(), draw),
                ImageBatches(images, labels, hardware, pixels, parts["pretrain"]),
                epochs=EPOCHS[0],
                validation=ImageBatches(images, labels, hardware, pixels, parts["validation"]),
                batch_size=draw["batch_size"],
                augmentations=build_augmentations(params.augmentation),
                schedule=recipe.schedule,
                clip_norm=params.pretrain.clip_norm,
                seed=params.seed,
                quiet=True,
            )
            return (
                short,
                min(row["validation_loss"] for row in history),
                max(row["validation_accuracy"] for row in history),
            )

        rows = []
        for draw, scores in zip(
            chosen,
            Parallel(n_jobs=options.workers, return_as="generator", mmap_mode="c")(
                delayed(both)(draw) for draw in chosen
            ),
        ):
            rows.append(scores)
            print(
                f"{name}: {json.dumps(draw)}  search {scores[0]}  final loss {scores[1]:.4f}  accuracy {scores[2]:.4f}",
                flush=True,
            )
        shorts, finals, _ = zip(*((float("inf") if s is None else s, f, a) for s, f, a in rows))
        print(
            f"{name}: Spearman's rank correlation {spearmanr(shorts, finals).statistic:.2f} over {len(rows)} configurations"
        )


def shifts(params, data, options):
    """Accuracy on validation images as they are, and as the mean over shifts by one and by two pixels."""
    images, labels, *_ = data
    held_out, pixels = partition(labels, params.seed)["validation"], pixel_statistics(images)

    def judge(model, placed):
        judges = placed(images, labels, held_out)
        return [
            100 * (predict_top3(ShiftTTA(model, reach, pixels), judges)[0][:, 0] == labels[held_out]).mean()
            for reach in (0, 1, 2)
        ]

    for name in options.models:
        done = Parallel(n_jobs=options.workers, mmap_mode="c")(
            delayed(train)(params, images, labels, name, seed, *recipe(params, "annealed"), judge)
            for seed in options.seeds
        )
        means = [statistics.mean(each) for each in zip(*(after for _, after in done))]
        print(
            f"{name}: accuracy on validation images {means[0]:.2f} %, mean over shifts of one pixel {means[1]:.2f} %, "
            f"of two {means[2]:.2f} %; seeds {', '.join(map(str, options.seeds))}",
            flush=True,
        )


COMMANDS = {command.__name__: command for command in (compare, ablate, rank, shifts)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("folder", help="of the emnist-byclass-*.gz files")
    parser.add_argument("--models", type=lambda text: text.split(","), default=["vggnet", "spinalnet"])
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[42, 43, 44])
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--images", type=int, help="training images to draw (default: all)")
    parser.add_argument("--batch-size", type=int, default=64, help="of compare (default: 64)")
    parser.add_argument("--test", action="store_true", help="judge by the test images")
    options = parser.parse_args()
    params = load_params()
    data = [
        array
        for part, images in [("train", options.images), ("test", None)]
        for array in read_emnist(part, images, params.seed, folder=options.folder)
    ]
    COMMANDS[options.command](params, data, options)


if __name__ == "__main__":
    main()
