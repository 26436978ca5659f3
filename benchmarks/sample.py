"""The rendered sample, judged by real handwriting.

    python -m benchmarks.sample judge FOLDER                 # the last run's model on EMNIST's training images
    python -m benchmarks.sample ablate FOLDER MNIST_FOLDER   # models trained without each of the sample's parts

The folders are in the official layout. Models have as many images and epochs as in the default run, and the annealed
recipe. `judge` prints the accuracy, macro F1 and the most frequent confusions among 62 characters of the training
images, so that the test images stay unseen. `ablate` reads test images, MNIST's among the ten digits.
"""

import argparse
from collections import Counter

from joblib import Parallel, delayed
from sklearn.metrics import f1_score

import emnist  # noqa: F401  before torch, since it sets an environment variable that torch's threads read
from benchmarks.handwriting import accuracy
from benchmarks.recipe import recipe, train
from emnist.cli.predict import EXPORTED
from emnist.data.classes import CHARACTERS
from emnist.data.datasets import read_emnist, read_mnist
from emnist.params import load_params
from emnist.reading.network import Network
from emnist.sources import sample
from emnist.utils.environment import cores
from emnist.utils.errors import UserError, run_cli


def without(quality):
    """Return the constants of both deviations with one quality set to zero."""
    return {name: getattr(sample, name) | {quality: 0.0} for name in ("BETWEEN", "WITHIN")}


NO_VARIATION = {"aspect": 0.0, "elastic": 0.0, "slant": 0.0}
CONSTANT_PEN = dict(PEN=(0.08, 0.08), PEN_JITTER=0.0, PRESSURE=0.0, ROUGHNESS=0.0)
WITHOUT = {  # part: the constants of emnist.sources.sample that remove it
    "nothing": {},  # the whole sample
    "pen strokes": {"STROKES": {}},
    "seven of the ten fonts": {"FONTS": sample.FONTS[1::3]},
    "fonts where there are strokes": {"STROKES_WEIGHT": 1000},
    "differences between writers": {"BETWEEN": NO_VARIATION},
    "differences within a writer": {"WITHIN": NO_VARIATION},
    "elastic distortion": without("elastic"),
    "varying width": without("aspect"),
    "slant": without("slant") | {"SLANT": 0.0, "ASPECT_BY_SLANT": 0.0},
    "characters written as others": {"WRITTEN_AS": {}},
    "EMNIST's class shares": {"MIN_CLASS_COUNT": 8.0},
    "varying stroke width": CONSTANT_PEN,
    "varying edges": {"SOFTNESS": (0.07, 0.07)},
    "many writers": {"IMAGES_PER_WRITER": 400},
}


def train_and_score(changes, params, name, seed, score):
    """Render the sample with changed constants, train, and return what `score` returns of the model."""
    before = {constant: getattr(sample, constant) for constant in changes}
    try:
        for constant, value in changes.items():
            setattr(sample, constant, value)
        sample.forms.cache_clear()
        images, labels, _, _ = sample.render(params.download.sample.train, 62, params.download.sample.seed, workers=1)
    finally:
        for constant, value in before.items():
            setattr(sample, constant, value)

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
    parser.add_argument("command", choices=["judge", "ablate"])
    parser.add_argument("emnist", metavar="FOLDER", help="folder of emnist-byclass-*.gz")
    parser.add_argument("mnist", metavar="MNIST_FOLDER", nargs="?", help="folder of t10k-*.gz, for ablate")
    parser.add_argument("--model", default="spinalnet", help="of ablate (default: %(default)s)")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[42])
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    if options.command == "ablate" and not options.mnist:
        parser.error("ablate needs MNIST_FOLDER")
    {"judge": judge, "ablate": ablate}[options.command](options)


if __name__ == "__main__":
    run_cli(main)
