"""The rendered sample, fitted to real handwriting and judged by it.

    python -m benchmarks.sample fit FOLDER                   # how EMNIST's training images are written
    python -m benchmarks.sample judge FOLDER                 # the last run's model on EMNIST's training images
    python -m benchmarks.sample ablate FOLDER MNIST_FOLDER   # models trained without each of the sample's parts

The folders are in the official layout. `fit` estimates from the training images what the sample's two tables hold, and
writes them. Models have as many images and epochs as in the default run, and the annealed recipe. `judge` prints the
accuracy, macro F1 and the most frequent confusions among 62 characters of the training images, so that the test images
stay unseen. `ablate` reads test images, MNIST's among the ten digits.
"""

import argparse
from collections import Counter
from contextlib import contextmanager

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.metrics import f1_score

import emnist  # noqa: F401  before torch, since it sets an environment variable that torch's threads read
from benchmarks.handwriting import accuracy
from benchmarks.recipe import recipe, train
from emnist.cli.predict import EXPORTED
from emnist.data.classes import CHARACTERS
from emnist.data.datasets import read_emnist, read_mnist
from emnist.data.files import write_csv
from emnist.data.subsets import statistics
from emnist.models import build_model
from emnist.params import load_params
from emnist.reading.network import Network
from emnist.sources import sample
from emnist.training.augmentation import build_augmentations
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.loop import fit, seed_everything
from emnist.training.optimizers import build_optimizer
from emnist.utils.environment import cores
from emnist.utils.errors import UserError, run_cli


def without(quality):
    """Return the constants of both deviations with one quality set to zero."""
    return {name: getattr(sample, name) | {quality: 0.0} for name in ("BETWEEN", "WITHIN")}


NO_VARIATION = {"aspect": 0.0, "elastic": 0.0, "slant": 0.0}
CONSTANT_PEN = dict(PEN=(1.0, 1.0), PEN_JITTER=0.0, PRESSURE=0.0, ROUGHNESS=0.0)


def forms_where(kept):
    """Return the forms for whose class, character and form `kept` is true, or all of a class with none."""
    return {label: [form for form in forms if kept(label, *form[:2])] or forms for label, forms in sample.FORMS.items()}


def same_means(*names):
    """Return the numbers of the classes with the mean of all classes under each name."""
    return sample.CLASSES | {name: np.full(len(CHARACTERS), sample.CLASSES[name].mean()) for name in names}


WITHOUT = {  # part: the constants of emnist.sources.sample that remove it
    "nothing": {},  # the whole sample
    "pen strokes": {"FORMS": forms_where(lambda label, character, form: form in sample.FONTS)},
    "seven of the ten fonts": {
        "FORMS": forms_where(
            lambda label, character, form: form not in sample.FONTS or form in list(sample.FONTS)[1::3]
        )
    },
    "characters written as others": {"FORMS": forms_where(lambda label, character, form: character == label)},
    "the shares of forms": {"FORMS": {c: [(*form[:2], 1.0) for form in forms] for c, forms in sample.FORMS.items()}},
    "pens and edges of each class": {"CLASSES": same_means("pen", "edge")},
    "slant of each class": {"CLASSES": same_means("slant")},
    "EMNIST's class shares": {"MIN_CLASS_COUNT": 8.0},
    "differences between writers": {"BETWEEN": NO_VARIATION},
    "differences within a writer": {"WITHIN": NO_VARIATION},
    "elastic distortion": without("elastic"),
    "varying width": without("aspect"),
    "varying slant": without("slant"),
    "varying stroke width": CONSTANT_PEN,
    "varying edges": {"EDGE": (1.0, 1.0)},
    "many writers": {"IMAGES_PER_WRITER": 400},
}

FIT_SEED = 42
FIT_IMAGES = 80  # of each form, to train the network that tells forms apart
FIT_EPOCHS = 8
FIT_WRITERS = 60  # whose images of each class are measured
FIT_ROUNDS = 10
MIN_SHARE = 0.01  # a form with less is left out
# While forms are told apart, pen, edge and slant must not tell the class.
ALIKE = {"pen": 0.08, "edge": 0.075, "slant": 0.08}
VARIED = {"PEN": (0.6, 1.4), "EDGE": (0.4, 1.6)}
FIT_AUGMENTATION = {"affine": {"degrees": 8, "translate": 0.05, "scale": [0.95, 1.05], "shear": 3}}


@contextmanager
def changed(changes):
    """Change constants of `emnist.sources.sample` for a while."""
    before = {constant: getattr(sample, constant) for constant in changes}
    try:
        for constant, value in changes.items():
            setattr(sample, constant, value)
        yield
    finally:
        for constant, value in before.items():
            setattr(sample, constant, value)


def measure(images):
    """Measure characters: a dict of numpy.ndarray of float, shape (N,), under the names of the columns of classes.

    ``aspect`` and ``slant`` are as those; ``pen`` and ``edge`` are logarithms of the stroke's width and of the inverse
    of its edge's mean gradient, in pixels.
    """
    grey = images.astype(np.float32) / 255
    gradient = np.hypot(*np.gradient(grey, axis=(1, 2)))
    total, slope = grey.sum((1, 2)), gradient.sum((1, 2))
    y, x = np.mgrid[: grey.shape[1], : grey.shape[2]]
    y, x = (axis - ((grey * axis).sum((1, 2)) / total)[:, None, None] for axis in (y, x))
    ink = grey > 0.4
    width, height = (
        line.shape[1] - line.argmax(axis=1) - line[:, ::-1].argmax(axis=1)
        for line in (ink.any(axis=1), ink.any(axis=2))
    )
    return {
        "aspect": np.log(width / height),
        "slant": -(grey * x * y).sum((1, 2)) / (grey * y * y).sum((1, 2)),
        "pen": np.log(2 * total / slope),
        "edge": np.log(slope / (gradient**2).sum((1, 2))),
    }


def class_means(images, labels):
    """Return the means of what `measure` returns, each of shape (62,)."""
    counts = np.bincount(labels, minlength=len(CHARACTERS))
    return {name: np.bincount(labels, values, len(CHARACTERS)) / counts for name, values in measure(images).items()}


def fit_forms(images, labels):
    """Estimate the share of each form among the writers of each class, by expectation maximisation.

    A network learns to tell the glyphs of all fonts and the strokes of `FORMS_FILE` apart. The shares of a class are
    those that make its reading of the class's images most likely.

    Parameters
    ----------
    images : numpy.ndarray of uint8, shape (N, 28, 28)
    labels : numpy.ndarray of uint8, shape (N,)

    Returns
    -------
    dict of str to list of (str, str, float)
        As `emnist.sources.sample.read_forms`.

    References
    ----------
    Dempster, A. P., Laird, N. M. and Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM
    algorithm. Journal of the Royal Statistical Society B 39. (Shares of a mixture.)
    """
    strokes = {(character, form) for forms in sample.FORMS.values() for character, form, _ in forms}
    pool = sorted(strokes | {(character, font) for character in CHARACTERS for font in sample.FONTS})
    of_character = {c: [k for k, (character, _) in enumerate(pool) if character == c] for c in CHARACTERS}
    classes = sample.CLASSES | {name: np.full(len(CHARACTERS), value) for name, value in ALIKE.items()}

    rendered, numbers = [], []
    writers = iter(np.random.SeedSequence(FIT_SEED).spawn(FIT_IMAGES * len(pool)))
    for turn in range(max(map(len, of_character.values()))):
        some = {c: forms[turn] for c, forms in of_character.items() if turn < len(forms)}
        forms = {c: [(*pool[k], 1.0)] for c, k in some.items()}
        page = np.array([CHARACTERS.index(c) for c in some], np.uint8)
        with changed(VARIED | {"CLASSES": classes, "FORMS": forms}):
            rendered += [sample.render_writer(next(writers), page) for _ in range(FIT_IMAGES)]
        numbers += list(some.values()) * FIT_IMAGES
    rendered, numbers = np.concatenate(rendered), np.array(numbers)

    params = load_params()
    seed_everything(FIT_SEED, "weights")
    model = build_model("resnet", len(pool))
    hardware = setup_hardware(params.compute, model)
    model = hardware.to_device(model)
    pixel_stats = statistics(rendered)
    config = {"learning_rate": 0.1, "weight_decay": 5e-4}
    fit(
        "forms",
        model,
        build_optimizer("sgd", {"momentum": 0.9}, model.parameters(), config),
        ImageBatches(rendered, numbers, hardware, pixel_stats),
        epochs=FIT_EPOCHS,
        batch_size=128,
        augmentations=build_augmentations(FIT_AUGMENTATION),
        clip_norm=params.pretrain.clip_norm,
        seed=FIT_SEED,
        schedule="one_cycle",
    )
    model.eval()
    with torch.inference_mode():
        batches = ImageBatches(images, labels, hardware, pixel_stats).eval_batches(500)
        likelihoods = np.concatenate([model(batch).softmax(dim=1).cpu().numpy() for batch, _ in batches]) + 1e-6

    found = {}
    for label, character in enumerate(CHARACTERS):
        mine, shares = likelihoods[labels == label], np.full(len(pool), 1 / len(pool))
        for _ in range(FIT_ROUNDS * 4):
            weighted = mine * shares
            shares = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
        shares = np.where(shares < MIN_SHARE, 0, shares) / shares[shares >= MIN_SHARE].sum()
        found[character] = [(*pool[k], shares[k]) for k in np.argsort(-shares, kind="stable") if shares[k]]
    return found


def fit_classes(images, labels, forms):
    """Find the numbers of each class with which the sample's means are those of the images.

    Parameters
    ----------
    images, labels
        As for `fit_forms`.
    forms
        As returned by `fit_forms`.

    Returns
    -------
    dict of str to numpy.ndarray of float, shape (62,)
        As `emnist.sources.sample.read_classes`.
    """
    wanted, classes = class_means(images, labels), sample.CLASSES
    page = np.repeat(np.arange(len(CHARACTERS), dtype=np.uint8), 4)
    for number in range(FIT_ROUNDS):
        with changed({"CLASSES": classes, "FORMS": forms}):
            seeds = np.random.SeedSequence(FIT_SEED).spawn(FIT_WRITERS)
            rendered = np.concatenate([sample.render_writer(seed, page) for seed in seeds])
        means = class_means(rendered, np.tile(page, FIT_WRITERS))
        off = {name: wanted[name] - mean for name, mean in means.items()}
        print(f"round {number + 1}:", *(f"{name} is off by {np.abs(value).mean():.3f}" for name, value in off.items()))
        classes = classes | {
            "aspect": classes["aspect"] + 0.8 * off["aspect"],
            "slant": classes["slant"] + off["slant"],
            "pen": classes["pen"] * np.exp(off["pen"]),
            "edge": classes["edge"] * np.exp(2 * off["edge"]),
        }
    return classes


def fit_sample(options):
    """Write the sample's two tables after EMNIST's training images."""
    images, labels = read_emnist("train", folder=options.emnist)
    forms = fit_forms(images, labels)
    classes = fit_classes(images, labels, forms)
    rows = [
        (character, drawn, form, f"{share:.3f}") for character in CHARACTERS for drawn, form, share in forms[character]
    ]
    write_csv(sample.FORMS_FILE, ("class", "character", "form", "share"), rows)
    columns = [[f"{value:.3g}" for value in classes[name]] for name in classes]
    write_csv(sample.CLASSES_FILE, ("class", *classes), zip(CHARACTERS, *columns))


def train_and_score(changes, params, name, seed, score):
    """Render the sample with changed constants, train, and return what `score` returns of the model."""
    with changed(changes):
        images, labels, _, _ = sample.render(params.download.sample.train, 62, params.download.sample.seed, workers=1)
    return train(
        params,
        images,
        labels,
        name,
        seed,
        *recipe(params, "annealed"),
        score,
        whole=True,
        epochs=(params.pretrain.small.epochs, params.finetune.small.epochs),
    )[-1]


def judge(options):
    """Print how well the last run's model, trained on the sample alone, reads EMNIST's training images."""
    network = Network(EXPORTED)
    if network.metadata["data"] != sample.TITLE.removeprefix("the "):
        raise UserError(
            f"{EXPORTED} should have learnt from the rendered sample, but did from {network.metadata['data']}: "
            "set `source: sample` in params.yaml and run `dvc repro`"
        )
    images, labels = read_emnist("train", folder=options.emnist)
    read = network.probabilities(images).argmax(axis=1)
    f1 = f1_score(labels, read, average="macro", zero_division=0)
    print(f"{len(labels):,} images: accuracy {(read == labels).mean():.2%}, macro F1 {f1:.2%}")
    wrong = Counter((CHARACTERS[a], CHARACTERS[b]) for a, b in zip(labels, read) if a != b)
    print("  ".join(f"{a} as {b}: {count}" for (a, b), count in wrong.most_common(30)))


def ablate(options):
    """Print the accuracies on real handwriting of models trained without each of the sample's parts."""
    params, name = load_params(), options.model
    digits, characters = read_mnist("t10k", options.mnist), read_emnist("test", folder=options.emnist)

    def score(model, make_batches):
        return (100 * accuracy(model, make_batches(*digits), 10), 100 * accuracy(model, make_batches(*characters), 62))

    runs = [(part, seed) for part in WITHOUT for seed in options.seeds]
    done = Parallel(n_jobs=options.workers, return_as="generator")(
        delayed(train_and_score)(WITHOUT[part], params, name, seed, score) for part, seed in runs
    )
    print(
        f"| {name} on the sample without | seed | MNIST test, among the ten digits | handwriting test, among 62 |\n"
        "| --- | --- | --- | --- |"
    )
    for (part, seed), scores in zip(runs, done):
        print(f"| {part} | {seed} | {scores[0]:.2f} | {scores[1]:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["fit", "judge", "ablate"])
    parser.add_argument("emnist", metavar="FOLDER", help="folder of emnist-byclass-*.gz")
    parser.add_argument("mnist", metavar="MNIST_FOLDER", nargs="?", help="folder of t10k-*.gz, for ablate")
    parser.add_argument("--model", default="spinalnet", help="of ablate (default: %(default)s)")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[42])
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    if options.command == "ablate" and not options.mnist:
        parser.error("ablate needs MNIST_FOLDER")
    {"fit": fit_sample, "judge": judge, "ablate": ablate}[options.command](options)


if __name__ == "__main__":
    run_cli(main)
