"""Queueing of experiments, and waiting for them."""

import time
from functools import reduce
from itertools import count
from typing import NamedTuple

import torch
import yaml

from emnist.check import check_names
from emnist.comparison.experiments import experiment_refs, list_experiments, match_experiments, run_dvc
from emnist.params import check_params, read_params
from emnist.training.hardware import cores
from emnist.utils.errors import UserError
from emnist.utils.progress import log

REDUCED_SETTINGS = {
    # A smoke test, not a fair measurement of EnsNet: two cores train it on 18 images a second. Small batches, so that
    # the few images make more steps.
    "ensnet": [
        "split.small.train=1000",
        "split.small.test=500",
        "search.small.trials=2",
        "search.small.epochs=1",
        "search.annealed.space.batch_size=[16]",
        "search.annealed.space.learning_rate=[0.03,0.1]",
        "pretrain.small.epochs=3",
        "finetune.small.epochs=2",
        "finetune.batch_size=16",
    ]
}
POLL_SECONDS = 60  # at most, between two looks at the queue


class Plan(NamedTuple):
    """The runs of a comparison.

    Attributes
    ----------
    params : emnist.params.Params
        What all runs have in common.
    special : dict of str to list of str
        The settings that only one model has, for each model.
    settings : dict of (str, int) to list of str
        The settings of each run, by model and seed.
    values : dict of (str, int) to dict
        The parameters of each run, by model and seed.
    """

    params: object
    special: dict
    settings: dict
    values: dict


def plan_runs(models, seeds, settings):
    """Plan one run for each model and seed.

    Parameters
    ----------
    models : list of str
    seeds : list of int
    settings : list of (str or None, str)
        ``name=value`` of each parameter to set, with the model that it is for, None for all. Without a GPU, the small
        size has `REDUCED_SETTINGS` too.

    Returns
    -------
    Plan

    Raises
    ------
    UserError
        If a parameter is unknown or its value is refused.
    """
    common = [setting for model, setting in settings if not model]
    params = check_params(with_settings(common))
    special = {model: [setting for name, setting in settings if name == model] for model in models}
    if params.size == "small" and not torch.cuda.is_available():
        special = {model: REDUCED_SETTINGS.get(model, []) + own for model, own in special.items()}
    of_run = {
        (model, seed): [f"model={model}", f"seed={seed}", *common, *special[model]]
        for model in models
        for seed in seeds
    }
    return Plan(params, special, of_run, {key: with_settings(own) for key, own in of_run.items()})


def with_settings(settings):
    """Read `params.yaml`, set some of its values, and check the result."""
    values = read_params()
    for each in settings:
        name, _, value = each.partition("=")
        *sections, last = name.split(".")
        section = reduce(
            lambda section, part: section.get(part) if isinstance(section, dict) else None, sections, values
        )
        if not isinstance(section, dict):
            raise UserError(f"params.yaml has no {'.'.join(sections)} in which {last} could be set")
        section[last] = yaml.safe_load(value)
    check_names(check_params(values))
    return values


def run_missing(plan, jobs=None):
    """Queue the runs that are missing, and wait until all have ended.

    Parameters
    ----------
    plan : Plan
    jobs : int, optional
        Runs side by side; by default one on each core, or one if there is a GPU.

    Returns
    -------
    dict of (str, int) to dict
        The experiment of each run, by model and seed.

    Raises
    ------
    UserError
        If a run fails.
    """
    found = match_experiments(plan.values)

    def state(key):
        return found[key]["state"] if key in found else "failed"

    for experiment in found.values():
        if experiment["state"] == "dead":
            run_dvc("queue", "kill", experiment["name"])  # which only notes that its process is gone
        if experiment["state"] in ("dead", "failed"):
            run_dvc("queue", "remove", experiment["name"])
    missing = [key for key in plan.values if state(key) in ("dead", "failed")]
    unfinished = [key for key in plan.values if state(key) != "success"]
    if not unfinished:
        return found
    jobs = jobs or (1 if torch.cuda.is_available() else min(cores(), len(unfinished)))
    log(
        f"compare: {len(plan.values) - len(unfinished)} of {len(plan.values)} runs are done; the others run in the "
        f"background, {jobs} at a time: `dvc queue status` lists them, `dvc queue logs NAME` shows the output of one, "
        "`dvc queue stop --kill` ends them"
    )
    taken = {experiment["name"] for experiment in list_experiments()}
    for model, seed in missing:
        name = next(name for name in (f"{model}-{seed}" + f"-{n}" * (n > 1) for n in count(1)) if name not in taken)
        settings = [*threads_per_run(plan.values[model, seed], jobs), *plan.settings[model, seed]]
        run_dvc("exp", "run", "--queue", "--name", name, *(part for each in settings for part in ("-S", each)))
    while unfinished:
        before, found = experiment_refs(), match_experiments(plan.values)
        for key in [key for key in unfinished if state(key) == "success"]:
            unfinished.remove(key)
            accuracy = found[key]["metrics"]["metrics/evaluate.json"]["data"]["test"]["accuracy"]
            log(f"compare: {found[key]['name']} is done, its test accuracy is {accuracy:.2%}")
        states = {state(key) for key in unfinished}
        if not states & {"queued", "running"}:
            break
        if "running" not in states:
            run_dvc("queue", "start", "--jobs", str(jobs))
        for _ in range(
            POLL_SECONDS
        ):  # DVC takes seconds to look at a queue, git hardly any time to see that a run ended
            if experiment_refs() != before:
                time.sleep(3)  # while the run's folder is taken away
                break
            time.sleep(1)
    if unfinished:
        raise UserError(
            f"{name_runs(unfinished)} failed: `dvc queue status` names them, `dvc queue logs NAME` says why, and the "
            "same command runs them again"
        )
    return found


def threads_per_run(values, jobs):
    """Give the settings by which runs side by side share the cores, where a person left that to be chosen."""
    threads = max(cores() // jobs, 1)
    return [
        f"{name}={threads}"
        for name, chosen in [
            ("compute.threads", values["compute"]["threads"]),
            ("search.workers", values["search"]["workers"]),
        ]
        if chosen == "auto" and jobs > 1
    ]


def name_runs(runs):
    """Name runs, given by model and seed, in a sentence."""
    return ", ".join(f"{model} with seed {seed}" for model, seed in runs)
