"""Ablation of the rendered sample: accuracy on real handwriting of models trained without each of its parts.

    python -m benchmarks.sample FOLDER MNIST_FOLDER

Both folders are in the official layout. Models have as many images and epochs as in the default run, and the annealed
recipe. MNIST's test images are classified among the ten digits, EMNIST's among all 62 characters.
"""

import argparse

from joblib import Parallel, delayed

import emnist  # noqa: F401  before torch, since it sets an environment variable that torch's threads read
from benchmarks.handwriting import accuracy
from benchmarks.recipe import recipe, train
from emnist.data.datasets import read_emnist, read_mnist
from emnist.params import load_params
from emnist.sources import sample
from emnist.training.hardware import cores


def without(quality):
    """Return the constants of both deviations with one quality set to zero."""
    return {name: getattr(sample, name) | {quality: 0.0} for name in ("BETWEEN", "WITHIN")}


NO_VARIATION = {"aspect": 0.0, "elastic": 0.0}
CONSTANT_PEN = dict(PEN=(0.075, 0.075), PEN_JITTER=0.0, PRESSURE=0.0)
WITHOUT = {  # part: the constants of emnist.sources.sample that remove it
    "nothing": {},  # the whole sample
    "pen strokes": {"STROKES": {}},
    "seven of the ten fonts": {"FONTS": sample.FONTS[1::3]},
    "fonts where there are strokes": {"STROKES_WEIGHT": 1000},
    "differences between writers": {"BETWEEN": NO_VARIATION},
    "differences within a writer": {"WITHIN": NO_VARIATION},
    "elastic distortion": without("elastic"),
    "varying width": without("aspect"),
    "varying stroke width": CONSTANT_PEN,
    "varying size on the page": {"SCAN_SIZE_RANGE": (42, 42)},
    "many writers": {"IMAGES_PER_WRITER": 400},
}


def train_and_score(changes, params, name, seed, digits, characters):
    """Render the sample with changed constants, train, and return the accuracies on both test sets in percent."""
    before = {constant: getattr(sample, constant) for constant in changes}
    try:
        for constant, value in changes.items():
            setattr(sample, constant, value)
        sample.forms.cache_clear()
        images, labels, _, _ = sample.render(params.download.sample.train, 62, params.download.sample.seed, workers=1)
    finally:
        for constant, value in before.items():
            setattr(sample, constant, value)

    def score(model, make_batches):
        return (100 * accuracy(model, make_batches(*digits), 10), 100 * accuracy(model, make_batches(*characters), 62))

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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("emnist", metavar="FOLDER", help="folder of emnist-byclass-test-*.gz")
    parser.add_argument("mnist", metavar="MNIST_FOLDER", help="folder of t10k-*.gz")
    parser.add_argument("--model", default="spinalnet")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[42])
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    params = load_params()
    real = read_mnist("t10k", options.mnist), read_emnist("test", folder=options.emnist)
    runs = [(part, seed) for part in WITHOUT for seed in options.seeds]
    done = Parallel(n_jobs=options.workers, return_as="generator", mmap_mode="c")(
        delayed(train_and_score)(WITHOUT[part], params, options.model, seed, *real) for part, seed in runs
    )
    print(
        f"| {options.model} on the sample without | seed | MNIST test, among the ten digits | handwriting test, among 62 |\n"
        "| --- | --- | --- | --- |"
    )
    for (part, seed), (digits, characters) in zip(runs, done):
        print(f"| {part} | {seed} | {digits:.2f} | {characters:.2f} |", flush=True)


if __name__ == "__main__":
    main()
