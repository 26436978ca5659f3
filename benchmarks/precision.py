"""Test accuracy after the same training in float32 and in the precision of `compute.precision: auto`.

dvc repro split && python -m benchmarks.precision --models vggnet,spinalnet --seeds 42,43,44 --epochs 5
"""

import argparse
import statistics
import time
from dataclasses import replace

from emnist.data.datasets import load_emnist, load_split
from emnist.data.files import load_json
from emnist.models import build_model
from emnist.params import load_params
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3
from emnist.training.loop import fit, seed_torch
from emnist.training.recipe import pretrain_recipe


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=lambda text: text.split(","), default=["vggnet", "spinalnet"])
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[42, 43, 44])
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    params = load_params()
    images, labels, pixel_stats, pretrain = load_split("pretrain")
    test_images, test_labels = load_emnist("test", params.sizes[params.size].test, params.seed)
    config = load_json("metrics/search.json")["best"]
    print(
        f"{len(pretrain):,} images, {options.epochs} epochs of SGD with {config}, "
        f"test accuracy on {len(test_labels):,}\n"
    )
    print(
        "| model | precision | "
        + " | ".join(f"seed {seed}" for seed in options.seeds)
        + " | mean | standard deviation | s an epoch |"
    )
    print("| --- " * (5 + len(options.seeds)) + "|")

    for name in options.models:
        recipe = replace(pretrain_recipe(params.model_copy(update={"model": name}), config), epochs=options.epochs)
        for precision in ("float32", "auto"):
            compute = params.compute.model_copy(update={"precision": precision})
            accuracies, start = [], time.perf_counter()
            for seed in options.seeds:
                seed_torch(seed, "weights")
                model = build_model(name)
                hardware = setup_hardware(compute, model)
                model = hardware.to_device(model)
                train = ImageBatches(images, labels, hardware, pixel_stats, pretrain, recipe.augmentations)
                fit("pretrain", model, recipe, train, seed=seed, quiet=True)
                top3, _, _ = predict_top3(model, ImageBatches(test_images, test_labels, hardware, pixel_stats))
                accuracies.append(100 * (top3[:, 0] == test_labels).mean())
            seconds = (time.perf_counter() - start) / len(accuracies) / options.epochs
            print(
                f"| {name} | {hardware.as_dict()['precision']} | "
                + " | ".join(f"{a:.2f}" for a in accuracies)
                + f" | {statistics.mean(accuracies):.2f} | {statistics.stdev(accuracies):.2f} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
