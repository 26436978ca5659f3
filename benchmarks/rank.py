"""Whether the search ranks hyperparameters as a whole pre-training does.

    python -m benchmarks.rank FOLDER --models spinalnet

Twelve configurations of the recipe's search space are trained three times each: as a trial of the search, for half of a
trial's epochs, and on as many images and for as many epochs as pre-training. The losses on validation images are
compared by Spearman's rank correlation. Sizes are those of `params.yaml`.
"""

import json

from joblib import Parallel, delayed
from scipy.stats import spearmanr

from benchmarks import add_names, make_parser, print_header, print_row
from emnist.data.datasets import load_emnist
from emnist.data.subsets import partition, statistics
from emnist.models import ARCHITECTURES
from emnist.params import load_params
from emnist.search import run_trial, sample_configs
from emnist.training.recipe import search_space
from emnist.utils.environment import cores
from emnist.utils.errors import run_cli


def validation_losses(config, params, images, labels):
    """Return the losses of a configuration after a trial, after half a trial and after a pre-training."""
    parts, pixel_stats = partition(labels, params.seed), statistics(images)
    size = params.sizes[params.size]

    def loss(epochs, train, validation):
        sizes = params.sizes | {params.size: size.model_copy(update={"trial_epochs": epochs})}
        split = images, labels, pixel_stats, parts[train], parts[validation]
        found = run_trial(config, params.model_copy(update={"sizes": sizes}), *split)
        return float("inf") if found is None else found

    trials = [loss(epochs, "mini-train", "mini-validation") for epochs in (size.trial_epochs, size.trial_epochs // 2)]
    return *trials, loss(size.pretrain_epochs, "pretrain", "validation")


def main():
    parser = make_parser(__doc__, "FOLDER")
    add_names(parser, "--models", ARCHITECTURES)
    parser.add_argument("--images", type=int, help="training images to draw (default: all)")
    parser.add_argument("--configurations", type=int, default=12)
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    params = load_params()
    images, labels = load_emnist("train", options.images, params.seed, folder=options.folder)
    parallel = Parallel(options.workers, return_as="generator", mmap_mode="c")
    for name in options.models:
        params = params.model_copy(update={"model": name})
        configs = sample_configs(search_space(params), options.configurations, params.seed)
        calls = (delayed(validation_losses)(config, params, images, labels) for config in configs)
        rows = []
        print_header(name, "loss of a trial", "of half a trial", "of a pre-training")
        for config, losses in zip(configs, parallel(calls)):
            rows.append(losses)
            print_row(json.dumps(config), *(f"{loss:.4f}" for loss in losses))
        *shorts, finals = zip(*rows)
        for label, losses in zip(("trial", "half a trial"), shorts):
            place = sorted(finals).index(finals[losses.index(min(losses))]) + 1
            print(
                f"\n{name}, {label}: Spearman's rank correlation {spearmanr(losses, finals).statistic:.2f}, "
                f"its best configuration ends as number {place} of {len(rows)}"
            )


if __name__ == "__main__":
    run_cli(main)
