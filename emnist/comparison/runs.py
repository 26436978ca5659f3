"""Queueing of experiments, and waiting for them."""

import os
import time
from functools import reduce
from itertools import count
from typing import NamedTuple

import torch
import yaml

from emnist.comparison.experiments import (
    experiment_refs,
    fail_dead_runs,
    list_experiments,
    match_experiments,
    run_dvc,
)
from emnist.params import check_params
from emnist.utils.environment import cores
from emnist.utils.errors import UserError
from emnist.utils.locks import exclusive_lock
from emnist.utils.progress import log
from emnist.utils.schema import load_mapping

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
        The settings of each run, by model and seed, as `dvc exp run -S` takes them.
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
        size of an architecture may be another: `compare_size` in params.yaml.

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
    if not torch.cuda.is_available():
        for model, own in special.items():
            if size := params.architectures[model].compare_size.get(params.size):
                own.insert(0, f"size={size}")
    of_run = {
        (model, seed): [f"model={model}", f"seed={seed}", *common, *special[model]]
        for model in models
        for seed in seeds
    }
    values = {key: with_settings(own) for key, own in of_run.items()}
    # `++` lets DVC set what params.yaml lacks, such as a rate of dropout; `with_settings` has refused wrong names.
    return Plan(params, special, {key: [f"++{each}" for each in own] for key, own in of_run.items()}, values)


def with_settings(settings):
    """Read `params.yaml`, set some of its values, and check the result."""
    values = load_mapping()
    for each in settings:
        name, _, value = each.partition("=")
        *sections, last = name.split(".")
        section = reduce(
            lambda section, part: section.get(part) if isinstance(section, dict) else None, sections, values
        )
        if not isinstance(section, dict):
            raise UserError(f"params.yaml has no {'.'.join(sections)} in which {last} could be set")
        section[last] = yaml.safe_load(value)
    check_params(values)
    return values


def run_missing(plan, jobs=None):
    """Queue the runs that are missing, and wait until all have ended.

    Parameters
    ----------
    plan : Plan
    jobs : int, optional
        Runs side by side; by default one on each core, or one on each GPU. Each has a GPU of its own while there are
        enough.

    Returns
    -------
    dict of (str, int) to dict
        The experiment of each run, by model and seed.

    Raises
    ------
    UserError
        If a run fails.
    """
    found = {}

    def state(key):
        return found[key]["state"] if key in found else "failed"

    with exclusive_lock(".dvc/tmp/compare", "another comparison that queues its runs"):
        fail_dead_runs()
        found = match_experiments(plan.values)
        for experiment in found.values():
            if experiment["state"] == "failed":
                run_dvc("queue", "remove", experiment["name"])
        missing = [key for key in plan.values if state(key) == "failed"]
        unfinished = [key for key in plan.values if state(key) != "success"]
        if not unfinished:
            return found
        jobs = jobs or min(len(gpus()) or cores(), len(unfinished))
        log(
            f"compare: {len(plan.values) - len(unfinished)} of {len(plan.values)} runs are done; the others run in the "
            f"background, {jobs} at a time: `dvc queue status` lists them, `dvc queue logs NAME` shows the output of one, "
            "`dvc queue stop --kill` ends them"
        )
        for key, name in free_names(missing).items():
            settings = [*threads_per_run(plan.values[key], jobs), *plan.settings[key]]
            run_dvc("exp", "run", "--queue", "--name", name, *(part for each in settings for part in ("-S", each)))
    while unfinished:
        before, found = experiment_refs(), match_experiments(plan.values)
        for key in [key for key in unfinished if state(key) == "success"]:
            unfinished.remove(key)
            log(f"compare: {found[key]['name']} is {describe_accuracy(found[key])}")
        states = {state(key) for key in unfinished}
        if not states & {"queued", "running"}:
            break
        if "running" not in states:
            start_workers(jobs)
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


def start_workers(jobs):
    """Start the workers of DVC's queue, each with one of the GPUs in turn, where there are several."""
    devices = gpus()
    for number in range(1, jobs + 1) if len(devices) > 1 else [jobs]:
        # `--jobs 2` starts the second one, if the first one runs.
        device = {"CUDA_VISIBLE_DEVICES": devices[(number - 1) % len(devices)]} if len(devices) > 1 else {}
        run_dvc("queue", "start", "--jobs", str(number), **device)


def gpus():
    """List the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]


def free_names(runs):
    """Choose a name for the experiment of each run, given by model and seed, that no other experiment has."""
    taken = {experiment["name"] for experiment in list_experiments()} if runs else set()
    return {
        (model, seed): next(
            name for name in (f"{model}-{seed}" + f"-{n}" * (n > 1) for n in count(1)) if name not in taken
        )
        for model, seed in runs
    }


def threads_per_run(values, jobs):
    """Give the settings by which runs side by side share the cores, where a person left that to be chosen."""
    threads = max(cores() // jobs, 1)
    return [f"{name}={threads}" for name in auto_threads(values) if jobs > 1]


def auto_threads(values):
    """Name the parameters that count threads, where a person left the number to be chosen."""
    chosen = {"compute.threads": values["compute"]["threads"], "compute.workers": values["compute"]["workers"]}
    return [name for name, number in chosen.items() if number == "auto"]


def name_runs(runs):
    """Name runs, given by model and seed, in a sentence."""
    return ", ".join(f"{model} with seed {seed}" for model, seed in runs)


def describe_runs(plan, progress):
    """Say of each run of a comparison how far it is, a line each.

    Parameters
    ----------
    plan : Plan
    progress : dict of str to str
        What a cluster's runs printed last, by the name of the experiment.

    Returns
    -------
    list of str
    """
    found, lines = match_experiments(plan.values), []
    for key in plan.values:
        name = "{}-{}".format(*key)
        experiment = found.get(key, {"name": name, "state": progress.get(name, "not begun")})
        state = describe_accuracy(experiment) if experiment["state"] == "success" else experiment["state"]
        lines.append(f"{experiment['name']:<16} {state}")
    return lines


def describe_accuracy(experiment):
    """Say that an experiment is done, and its test accuracy."""
    accuracy = experiment["metrics"]["metrics/evaluate.json"]["data"]["test"]["accuracy"]
    return f"done, its test accuracy is {accuracy:.2%}"
