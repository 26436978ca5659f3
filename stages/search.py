"""Find the hyperparameters of pre-training by random search."""

from emnist.data.classes import classes_of
from emnist.data.datasets import load_split
from emnist.data.files import write_json, write_rows
from emnist.models import build_model
from emnist.search import best_config, random_search
from emnist.training.hardware import setup_hardware
from emnist.utils.checkpoint import Checkpoint
from emnist.utils.environment import cores
from emnist.utils.progress import log
from emnist.utils.stage import stage_key
from stages._process import run_stage


def main(params):
    classes = len(classes_of(params.dataset))
    hardware = setup_hardware(params.compute, build_model(params.model, classes), threads=1)
    log(f"search: {params.model}; {hardware} a trial")
    checkpoint = Checkpoint(stage_key("search", params, hardware.as_dict()))
    workers = cores() if params.compute.workers == "auto" else params.compute.workers
    split = load_split("mini-train", "mini-validation")
    trials = random_search(params, split, workers, checkpoint)
    best = best_config(trials)
    losses = [trial["validation_loss"] for trial in trials if trial["validation_loss"] is not None]

    write_json("data/search/best.json", best)
    write_rows("plots/trials.csv", [{"trial": number} | trial for number, trial in enumerate(trials, 1)])
    write_json(
        "metrics/search.json",
        {"validation_loss": min(losses), "trials": len(trials), "diverged": len(trials) - len(losses), "best": best},
    )
    # With the trials, since an earlier search may have had the same best configuration.
    checkpoint.mark_complete("data/search/best.json", "plots/trials.csv")


if __name__ == "__main__":
    run_stage(main)
