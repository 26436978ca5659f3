"""Test accuracy after the same training in float32 and in the precision of `compute.precision: auto`.

dvc repro split && python -m benchmarks.precision --models vggnet,spinalnet --seeds 42,43,44 --epochs 5
"""

import statistics
import time
from dataclasses import replace

from benchmarks import make_parser, names, numbers, print_header, print_row
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
    parser = make_parser(__doc__)
    parser.add_argument("--models", type=names, default=["vggnet", "spinalnet"])
    parser.add_argument("--seeds", type=numbers, default=[42, 43, 44])
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    params = load_params()
    images, labels, pixel_stats, pretrain = load_split("pretrain")
    test_images, test_labels = load_emnist("test", params.sizes[params.size].test, params.seed)
    config = load_json("metrics/search.json")["best"]
    print(f"{len(pretrain):,} images, {options.epochs} epochs, {config}, test accuracy on {len(test_labels):,}\n")
    seeds = [f"seed {seed}" for seed in options.seeds]
    print_header("model", "precision", *seeds, "mean", "standard deviation", "s an epoch")

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
            figures = [*accuracies, statistics.mean(accuracies), statistics.stdev(accuracies)]
            cells = [f"{figure:.2f}" for figure in figures]
            print_row(name, hardware.as_dict()["precision"], *cells, f"{seconds:.0f}")


if __name__ == "__main__":
    main()
