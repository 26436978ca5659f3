"""What each part of the rendered sample is worth: a model trained without it, judged on real handwriting.

    python -m benchmarks.sample EMNIST_FOLDER MNIST_FOLDER

Both folders are in the official layout. Each model gets as many images and epochs as the default run's, with the
annealed recipe. MNIST's test digits are judged among the ten digits, the others among all 62.
"""

import argparse

from joblib import Parallel, delayed

import emnist  # noqa: F401  before torch, whose threads it tells how long to spin
from benchmarks.handwriting import accuracy
from benchmarks.recipe import recipe, train
from emnist.data.datasets import read_emnist, read_mnist
from emnist.params import load_params
from emnist.sources import sample
from emnist.training.hardware import cores


def without(quality):
    return {name: getattr(sample, name) | {quality: 0.0} for name in ("BETWEEN", "WITHIN")}


NONE = {"aspect": 0.0, "elastic": 0.0}
STILL = dict(PEN=(0.075, 0.075), PEN_JITTER=0.0, PRESSURE=0.0)
WITHOUT = {  # a part: the constants of emnist.sources.sample that take it away
    "nothing": {},  # the whole sample
    "pen strokes": {"STROKES": {}},
    "seven of the ten fonts": {"FONTS": sample.FONTS[1::3]},
    "fonts where there are strokes": {"STROKES_WEIGHT": 1000},
    "differences between writers": {"BETWEEN": NONE},
    "differences within a writer": {"WITHIN": NONE},
    "elastic distortion": without("elastic"),
    "varying width": without("aspect"),
    "varying stroke width": STILL,
    "varying size on the page": {"SCAN_SIZE_RANGE": (42, 42)},
    "many writers": {"IMAGES_PER_WRITER": 400},
}


def judged(changes, params, name, seed, digits, characters):
    """Render without a part, train, and give both accuracies in percent."""
    before = {constant: getattr(sample, constant) for constant in changes}
    try:
        for constant, value in changes.items():
            setattr(sample, constant, value)
        sample.forms.cache_clear()
        images, labels, _, _ = sample.render(params.download.sample.train, 62, params.download.sample.seed, workers=1)
    finally:
        for constant, value in before.items():
            setattr(sample, constant, value)

    def judge(model, placed):
        return (100 * accuracy(model, placed(*digits), 10), 100 * accuracy(model, placed(*characters), 62))

    return train(
        params,
        images,
        labels,
        name,
        seed,
        *recipe(params, "annealed"),
        judge,
        whole=True,
        epochs=(params.pretrain.small.epochs, params.finetune.small.epochs),
    )[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("emnist", help="folder of emnist-byclass-test-*.gz")
    parser.add_argument("mnist", help="folder of t10k-*.gz")
    parser.add_argument("--model", default="spinalnet")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[42])
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    params = load_params()
    real = read_mnist("t10k", options.mnist), read_emnist("test", folder=options.emnist)
    runs = [(part, seed) for part in WITHOUT for seed in options.seeds]
    done = Parallel(n_jobs=options.workers, return_as="generator", mmap_mode="c")(
        delayed(judged)(WITHOUT[part], params, options.model, seed, *real) for part, seed in runs
    )
    print(
        f"| {options.model} on the sample without | seed | MNIST test, among the ten digits | handwriting test, among 62 |\n"
        "| --- | --- | --- | --- |"
    )
    for (part, seed), (digits, characters) in zip(runs, done):
        print(f"| {part} | {seed} | {digits:.2f} | {characters:.2f} |", flush=True)


if __name__ == "__main__":
    main()
