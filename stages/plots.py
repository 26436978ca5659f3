"""Draw the figures: confusion matrices, predictions, augmentation, curves and the search."""

import numpy as np
import pandas as pd
import torch

from emnist.data.classes import classes_of
from emnist.data.datasets import RAW, load_emnist, load_split
from emnist.data.files import load_json
from emnist.figures import calibration, characters, confusion, training
from emnist.training.recipe import augmentations
from emnist.utils.errors import explain_damage
from stages._process import run_stage


def main(params):
    source_title = load_json(RAW / "source.json")["title"]
    title = f"{params.model} on {source_title}"
    rng = np.random.default_rng(params.seed)
    classes = classes_of(params.dataset)
    images, _ = load_emnist("test", params.sizes[params.size].test, params.seed, classes=len(classes))
    train, test = (load_predictions(part) for part in ("train", "test"))
    draw_confusion(title, classes, train, test)
    draw_predictions(title, images, test, rng)
    draw_augmentation(params, rng)
    calibration.reliability_diagram(
        "plots/reliability.png",
        test["confidence"].to_numpy(),
        (test["actual"] == test["predicted"]).to_numpy(),
        f"{title}: probability and accuracy of {len(test):,} test images",
    )
    training.training_curves(
        "plots/curves.png", load_table("plots/pretrain.csv"), load_table("plots/finetune.csv"), title
    )
    trials = load_table("plots/trials.csv")
    training.search_trials("plots/search.png", trials, f"{title}: random search, {len(trials)} trials")


def draw_confusion(title, classes, train, test):
    labels = {  # the true and the predicted ones, as numbers
        name: table[["actual", "predicted"]].map(classes.index).to_numpy().T
        for name, table in [("training", train), ("test", test)]
    }
    for name, (actual, predicted) in labels.items():
        caption = f"{title}: {len(actual):,} {name} images, accuracy {np.mean(actual == predicted):.2%}"
        path = f"plots/confusion-{name.removesuffix('ing')}.png"
        confusion.confusion_heat_map(path, actual, predicted, classes, caption)
    caption = f"{title}: the most frequent confusions of test images"
    confusion.confused_pairs("plots/confused-pairs.png", *labels["test"], classes, caption)


def draw_predictions(title, images, predictions, rng):
    chosen = rng.choice(len(images), min(64, len(images)), replace=False)
    characters.prediction_grid(
        "plots/predictions.png",
        images[chosen] / 255,
        *predictions.iloc[chosen].to_numpy().T,
        f"{title}: test images drawn at random\n"
        "predicted character and its probability; where it is wrong: ✗, a thick frame and the truth",
    )


def draw_augmentation(params, rng):
    classes = classes_of(params.dataset)
    images, labels, _ = load_split()
    first_of_each_class = np.unique(labels, return_index=True)[1]
    chosen = np.sort(rng.choice(first_of_each_class, min(8, len(first_of_each_class)), replace=False))
    originals = torch.from_numpy(images[chosen])[:, None].float()  # 0 to 255, as in training
    copies = originals.repeat_interleave(9, dim=0)
    augmented, generator = copies, torch.Generator().manual_seed(params.seed)
    for augment in augmentations(params):
        augmented = augment(augmented, generator)
    characters.augmentation_grid(
        "plots/augmentation.png",
        torch.cat([originals, augmented.view(-1, 9, 28, 28)], dim=1).numpy() / 255,
        [classes[label] for label in labels[chosen]],
        f"Augmentation: {', '.join(map(str, augmentations(params))) or 'none'}",
    )


def load_predictions(part):
    # "NA" and the like are text here: they may be a class.
    return load_table(f"data/predictions/{part}.csv", dtype={"actual": str, "predicted": str}, keep_default_na=False)


def load_table(path, **options):
    """Load a CSV file with the options of `pandas.read_csv`."""
    with explain_damage(path, "be a table", ValueError):
        return pd.read_csv(path, **options)


if __name__ == "__main__":
    run_stage(main)
