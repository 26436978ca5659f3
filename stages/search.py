"""Find the hyperparameters of pre-training by random search."""

import os

from emnist.data.datasets import load_split
from emnist.data.files import write_csv, write_json
from emnist.models import build_model
from emnist.params import load_params
from emnist.search import best_config, random_search
from emnist.training.hardware import setup_hardware
from emnist.utils.checkpoint import Checkpoint, remove_stale_files, stage_key
from emnist.utils.environment import cores
from emnist.utils.errors import run_cli
from emnist.utils.progress import log


def main():
    params = load_params()
    remove_stale_files()
    hardware = setup_hardware(params.compute, build_model(params.model), threads=1)
    log(f"search: {params.model}; {hardware} a trial")
    checkpoint = Checkpoint(stage_key("search", params, hardware.as_dict()))
    workers = cores() if params.search.workers == "auto" else params.search.workers
    cluster = os.environ.get("EMNIST_SEARCH_CLUSTER")  # decides no result: docs/cluster.md
    trials = random_search(params, load_split("mini-train", "mini-validation"), workers, checkpoint, cluster)
    best = best_config(trials)
    losses = [trial["validation_loss"] for trial in trials if trial["validation_loss"] is not None]

    write_json("data/search/best.json", best)
    write_csv("plots/trials.csv", ["trial", *trials[0]], [[n, *trial.values()] for n, trial in enumerate(trials, 1)])
    write_json(
        "metrics/search.json",
        {"validation_loss": min(losses), "trials": len(trials), "diverged": len(trials) - len(losses), "best": best},
    )
    # With the trials, since an earlier search may have had the same best configuration.
    checkpoint.mark_complete("data/search/best.json", "plots/trials.csv")


if __name__ == "__main__":
    run_cli(main)
