"""The rendered sample, fitted to real handwriting, and what its parts are worth.

    python -m benchmarks.sample fit FOLDER                   # how often EMNIST's writers use each form
    python -m benchmarks.sample ablate FOLDER MNIST_FOLDER   # models trained without each of the sample's parts

`fit` estimates the share of each form of `sample_forms.csv` from the training images, and writes it there. To add a
form, add a row with any share, and fit. `ablate` predicts test images, MNIST's among the ten digits. Its models have as
many images and epochs as in the default run, and its recipe.
"""

from contextlib import nullcontext
from dataclasses import replace
from itertools import zip_longest
from unittest.mock import patch

import numpy as np
import torch
from joblib import Parallel, delayed

from benchmarks import load_both, make_parser, numbers, print_header, print_row
from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_emnist
from emnist.data.files import write_csv
from emnist.data.subsets import statistics
from emnist.models import ARCHITECTURES, build_model
from emnist.params import load_params
from emnist.sources import sample
from emnist.training.augmentation import Affine
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_probabilities
from emnist.training.loop import fit, seed_torch
from emnist.training.optimizers import SGD
from emnist.training.recipe import Recipe, finetune_recipe, pretrain_recipe
from emnist.utils.environment import cores
from emnist.utils.errors import run_cli


def without(quality):
    """Return the constants of both deviations with one quality set to zero."""
    return {name: getattr(sample, name) | {quality: 0.0} for name in ("BETWEEN", "WITHIN")}


NO_VARIATION = {"aspect": 0.0, "elastic": 0.0, "slant": 0.0}
CONSTANT_PEN = dict(PEN=(0.08, 0.08), PEN_JITTER=0.0, PRESSURE=0.0, ROUGHNESS=0.0)


def forms_where(kept):
    """Return the forms for whose class, character and form `kept` is true, or all of a class with none."""
    return {label: [form for form in forms if kept(label, *form[:2])] or forms for label, forms in sample.FORMS.items()}


SEVEN_FONTS = set(sample.FONTS) - set(list(sample.FONTS)[1::3])
WITHOUT = {  # part: the constants of emnist.sources.sample that remove it
    "nothing": {},  # the whole sample
    "pen strokes": {"FORMS": forms_where(lambda label, character, form: form in sample.FONTS)},
    "seven of the ten fonts": {"FORMS": forms_where(lambda label, character, form: form not in SEVEN_FONTS)},
    "characters written as others": {"FORMS": forms_where(lambda label, character, form: character == label)},
    "the shares of forms": {"FORMS": {c: [(*form[:2], 1.0) for form in forms] for c, forms in sample.FORMS.items()}},
    "EMNIST's class shares": {"MIN_CLASS_COUNT": 8.0},
    "differences between writers": {"BETWEEN": NO_VARIATION},
    "differences within a writer": {"WITHIN": NO_VARIATION},
    "elastic distortion": without("elastic"),
    "varying width": without("aspect"),
    "slant": without("slant") | {"SLANT": 0.0, "ASPECT_BY_SLANT": 0.0},
    "varying stroke width": CONSTANT_PEN,
    "varying edges": {"SOFTNESS": (0.07, 0.07)},
    "many writers": {"IMAGES_PER_WRITER": 400},
}

SGD_OF_ABLATION = {"learning_rate": 0.1, "batch_size": 32, "momentum": 0.9, "weight_decay": 5e-4}

# Constants of `fit`.
SEED = 42
IMAGES_PER_FORM = 80  # number of images from which the network learns a form
AFFINE = Affine(degrees=8, translate=0.05, scale=(0.95, 1.05), shear=3)
RECIPE = Recipe(SGD(momentum=0.9, weight_decay=5e-4), 0.1, 8, 128, "one_cycle", (AFFINE,), clip_norm=1.0)
ROUNDS = 40  # rounds of expectation maximisation
MIN_SHARE = 0.01  # a smaller share counts as none
ANY_FORM = 0.2  # share of the writers who use any form of the character itself, so that the sample stays diverse


def changed(changes):
    """Change constants of `emnist.sources.sample` while the context lasts."""
    return patch.multiple(sample, **changes) if changes else nullcontext()


def render_forms(pool):
    """Render images, (N, 28, 28) of uint8, of each form; `pool` lists characters with their forms.

    Also returned are the numbers of the images' forms in `pool`, (N,) of int64.
    """
    images, numbers = [], []
    seeds = iter(np.random.SeedSequence(SEED).spawn(IMAGES_PER_FORM * len(pool)))
    of_character = [[(k, *each) for k, each in enumerate(pool) if each[0] == character] for character in CHARACTERS]
    for turn in zip_longest(*of_character):  # one form of each character at a time
        turn = [each for each in turn if each]
        page = np.array([CHARACTERS.index(character) for _, character, _ in turn], np.uint8)
        with changed({"FORMS": {character: [(character, form, 1.0)] for _, character, form in turn}}):
            images += [sample.render_writer(next(seeds), page) for _ in range(IMAGES_PER_FORM)]
        numbers += [k for k, *_ in turn] * IMAGES_PER_FORM
    return np.concatenate(images), np.array(numbers)


def probabilities_of_forms(images, labels, pool):
    """Train a network to tell forms apart, and return its probabilities, shape (N, len(pool)), for the images."""
    rendered, numbers = render_forms(pool)
    pixel_stats = statistics(rendered)
    seed_torch(SEED, "weights")
    model = build_model("resnet", len(pool))
    hardware = setup_hardware(load_params().compute, model)
    model = hardware.to_device(model)
    batches = ImageBatches(rendered, numbers, hardware, pixel_stats, augmentations=RECIPE.augmentations)
    fit("forms", model, RECIPE, batches, seed=SEED)
    exact = replace(hardware, precision=torch.float32)
    return predict_probabilities(model, ImageBatches(images, labels, exact, pixel_stats))


def mixture_shares(probabilities):
    """Estimate how often each form occurs among images, by expectation maximisation.

    `probabilities`, (N, forms), are those of each form for each image where all forms are equally frequent. The shares,
    (forms,), sum to 1, and of all shares they make the images most likely.

    References
    ----------
    Saerens, M., Latinne, P. and Decaestecker, C. (2002). Adjusting the outputs of a classifier to new a priori
    probabilities: a simple procedure. Neural Computation 14.
    """
    shares = np.full(probabilities.shape[1], 1 / probabilities.shape[1])
    for _ in range(ROUNDS):
        weighted = (probabilities + 1e-6) * shares
        shares = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
    shares[shares < MIN_SHARE] = 0
    return shares / shares.sum()


def fit_forms(options):
    """Write the share of each form among the writers of each class, as EMNIST's training images suggest."""
    images, labels = load_emnist("train", folder=options.folder)
    pool = sorted({form[:2] for forms in sample.FORMS.values() for form in forms})
    probabilities = probabilities_of_forms(images, labels, pool)
    rows = []
    for label, name in enumerate(CHARACTERS):
        own = np.array([character == name for character, _ in pool])
        shares = (1 - ANY_FORM) * mixture_shares(probabilities[labels == label]) + ANY_FORM * own / own.sum()
        rows += [(name, *pool[k], f"{shares[k]:.4f}") for k in np.argsort(-shares, kind="stable") if shares[k]]
    write_csv(sample.FORMS_FILE, ("class", "character", "form", "share"), rows)


def train_and_score(changes, params, seed, tests):
    """Render the sample with changed constants, train, and return the accuracies (%) on `tests` (as of `load_both`)."""
    with changed(changes):
        options = params.download["sample"]
        labels, pages = next(sample.render(options["train"], len(CHARACTERS), options["seed"], workers=1))
        images = np.concatenate(list(pages))
    pixel_stats = statistics(images)
    seed_torch(seed, "weights")
    model = build_model(params.model)
    hardware = setup_hardware(params.compute, model, threads=1)
    model = hardware.to_device(model)
    for name, recipe in ("pretrain", pretrain_recipe(params, SGD_OF_ABLATION)), ("finetune", finetune_recipe(params)):
        train = ImageBatches(images, labels, hardware, pixel_stats, augmentations=recipe.augmentations)
        fit(name, model, recipe, train, seed=seed, quiet=True)
    accuracies = []
    for _, test_images, test_labels, classes in tests:
        probabilities = predict_probabilities(model, ImageBatches(test_images, test_labels, hardware, pixel_stats))
        accuracies.append(100 * np.mean(probabilities[:, :classes].argmax(axis=1) == test_labels))
    return accuracies


def ablate(options):
    """Print the accuracies on real handwriting of models trained without each of the sample's parts."""
    params = load_params().model_copy(update={"model": options.model})
    tests = load_both(options.folder, options.mnist_folder)
    runs = [(part, seed) for part in WITHOUT for seed in options.seeds]
    parallel = Parallel(options.workers, return_as="generator", mmap_mode="c")
    done = parallel(delayed(train_and_score)(WITHOUT[part], params, seed, tests) for part, seed in runs)
    print_header(f"{params.model} on the sample without", "seed", *(f"{name} (%)" for name, *_ in tests))
    for (part, seed), scores in zip(runs, done):
        print_row(part, seed, *(f"{score:.2f}" for score in scores))


def main():
    commands = {"fit": fit_forms, "ablate": ablate}
    parser = make_parser(__doc__)
    parser.add_argument("command", choices=commands)
    parser.add_argument("folder", metavar="FOLDER", help="of emnist-byclass-*.gz")
    parser.add_argument("mnist_folder", metavar="MNIST_FOLDER", nargs="?", help="of t10k-*.gz, for ablate")
    parser.add_argument("--model", default="spinalnet", choices=ARCHITECTURES, help="of ablate (default: %(default)s)")
    parser.add_argument("--seeds", type=numbers, default=[42])
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    if options.command == "ablate" and not options.mnist_folder:
        parser.error("ablate needs MNIST_FOLDER")
    commands[options.command](options)


if __name__ == "__main__":
    run_cli(main)
