"""Select the training images, and split them for pre-training, validation and the search."""

import numpy as np

from emnist.data.classes import classes_of
from emnist.data.datasets import RAW, SPLIT, load_emnist
from emnist.data.files import load_json, write_array, write_csv, write_json
from emnist.data.subsets import partition, statistics
from emnist.utils.errors import UserError
from emnist.utils.progress import log
from stages._process import run_stage

RARE = 10  # of so many images, one is for validation


def main(params):
    classes = classes_of(params.dataset)
    images, labels = load_emnist("train", params.sizes[params.size].train, params.seed, classes=len(classes))
    source = load_json(RAW / "source.json")
    check_counts(labels, source["test_images"], params)
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
            "source": source["title"].removeprefix("the "),
            "images": {"train": len(labels)} | {name: len(indices) for name, indices in parts.items()},
            **pixel_stats,
        },
    )
    counts = np.bincount(labels, minlength=len(classes))
    write_csv("plots/classes.csv", ["character", "images"], zip(classes, counts))


def check_counts(labels, test_count, params):
    """Refuse too few test images before anything is trained, and warn of classes that are too rare."""
    if test_count < (wanted := params.sizes[params.size].test or 0):
        raise UserError(
            f"params.yaml asks for {wanted:,} test images, but the source has {test_count:,}: set sizes.{params.size}.test "
            "to at most that many, or to null for all"
        )
    counts = np.bincount(labels)
    if rare := np.count_nonzero((0 < counts) & (counts < RARE)):
        log(f"warning: {rare} classes have fewer than {RARE} training images, so validation may lack them: add images")


if __name__ == "__main__":
    run_stage(main)
