"""Draw the training images, turn them upright, and split them for pre-training, validation and the search."""

import numpy as np

from emnist.checkpoint import sweep
from emnist.classes import CHARACTERS
from emnist.data import SPLIT, partition, read_emnist, statistics
from emnist.errors import run
from emnist.files import write_array, write_json
from emnist.params import load_params


def main():
    params = load_params()
    sweep()
    images, labels = read_emnist("train", params.sized("split").train, params.seed)
    parts = partition(labels, params.seed)
    pixels = statistics(images)

    write_array(SPLIT / "train-images.npy", images)
    write_array(SPLIT / "train-labels.npy", labels)
    for name, indices in parts.items():
        write_array(SPLIT / f"{name}.npy", indices)
    write_json(SPLIT / "statistics.json", pixels)
    write_json("metrics/split.json", {
        "source": "rendered sample" if params.source == "sample" else params.source,
        "images": {"train": len(labels)} | {name: len(indices) for name, indices in parts.items()},
        **pixels,
        "classes": dict(zip(CHARACTERS, np.bincount(labels, minlength=len(CHARACTERS)).tolist())),
    })


if __name__ == "__main__":
    run(main)
