"""Select the training images, and split them for pre-training, validation and the search."""

import numpy as np

from emnist.data.classes import classes_of
from emnist.data.datasets import RAW, SPLIT, load_emnist
from emnist.data.files import load_json, write_array, write_csv, write_json
from emnist.data.subsets import partition, statistics
from emnist.utils.stage import run_stage


def main(params):
    classes = classes_of(params.dataset)
    images, labels = load_emnist("train", params.sizes[params.size].train, params.seed, classes=len(classes))
    parts = partition(labels, params.seed)
    pixel_stats = statistics(images)

    write_array(SPLIT / "train-images.npy", images)
    write_array(SPLIT / "train-labels.npy", labels)
    for name, indices in parts.items():
        write_array(SPLIT / f"{name}.npy", indices)
    write_json(SPLIT / "statistics.json", pixel_stats)
    write_json(
        "metrics/split.json",
        {
            "source": load_json(RAW / "source.json")["title"].removeprefix("the "),
            "images": {"train": len(labels)} | {name: len(indices) for name, indices in parts.items()},
            **pixel_stats,
        },
    )
    counts = np.bincount(labels, minlength=len(classes))
    write_csv("plots/classes.csv", ["character", "images"], zip(classes, counts))


if __name__ == "__main__":
    run_stage(main)
