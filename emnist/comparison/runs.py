"""Queueing of experiments, and waiting for them."""

import math
import os
import time
from functools import reduce
from itertools import count
from typing import NamedTuple

import torch

from emnist.comparison.experiments import (
    describe_accuracy,
    finished_experiments,
    list_experiments,
    match_experiments,
    run_dvc,
)
from emnist.params import check_params
from emnist.utils.environment import cores
from emnist.utils.errors import UserError
from emnist.utils.git import git
from emnist.utils.locks import exclusive_lock
from emnist.utils.names import check_name
from emnist.utils.progress import log
from emnist.utils.schema import load_mapping
from emnist.utils.yaml import load_yaml

POLL_SECONDS = 3  # between two looks at the queue
START_SECONDS = 60  # in which the workers of DVC's queue begin with what is queued


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
    """Plan one run for each model and seed; return a `Plan`, or raise `UserError` if a parameter is refused.

    Parameters
    ----------
    models : list of str
    seeds : list of int
    settings : list of (str or None, str)
        ``name=value`` of each parameter to set, with the model that it is for, None for all. Without a GPU, the small
        size of an architecture may be another: `compare_size` in params.yaml.
    """
    common = [setting for model, setting in settings if not model]
    params = check_params(with_settings(common))
    for model in models:
        check_name(model, params.architectures, "--models")
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
        name, _, text = each.partition("=")
        *sections, last = name.split(".")
        section = reduce(lambda found, part: found.get(part) if isinstance(found, dict) else None, sections, values)
        if not isinstance(section, dict):
            raise UserError(f"params.yaml has no {'.'.join(sections)} in which {last} could be set")
        try:
            section[last] = load_yaml(text)
        except ValueError as error:
            raise UserError(f"the value of {name} should be YAML, but is {text!r}: {error}") from None
    check_params(values)
    return values


def run_missing(plan, execute):
    """Run what is missing of a comparison, and wait until all has ended; `UserError` if a run fails.

    Parameters
    ----------
    plan : Plan
    execute : callable
        Gets the model and seed of each run that is not finished. Yields, for each that has ended, these two, the name
        of its experiment, the experiment's hash, and None or why it failed.

    Returns
    -------
    dict of (str, int) to dict
        The experiment of each run, by model and seed.
    """
    found, failed = finished_experiments(plan.values), {}
    unfinished = [key for key in plan.values if key not in found]
    if not unfinished:
        return found
    log(f"compare: {len(found)} of {len(plan.values)} runs are done")
    for key, name, rev, error in execute(unfinished):
        if error:
            failed[key] = error
        log(f"compare: {name} {f'failed, because {error}' if error else f'is {describe_accuracy(rev)}'}")
    if failed:
        raise UserError(
            f"{name_runs(failed)} failed, the first because {next(iter(failed.values()))}; "
            "the same command runs what is missing"
        )
    return finished_experiments(plan.values)


def run_in_queue(plan, unfinished, jobs=None):
    """Run experiments in DVC's queue, those that are not in it yet or failed; yield what `run_missing` takes.

    `UserError` if this is a shallow clone, or DVC refuses a run.

    Parameters
    ----------
    plan : Plan
    unfinished : list of (str, int)
    jobs : int, optional
        Runs side by side; by default one on each core, or one on each GPU. Each has a GPU of its own while there are
        enough.
    """
    if git("rev-parse", "--is-shallow-repository") == b"true\n":
        raise UserError(
            "DVC's queue loses the results of its runs in a shallow clone: run `git fetch --unshallow`, then this again"
        )
    found, started = {}, -math.inf

    def state(key):
        return found[key]["state"] if key in found else "failed"

    jobs = jobs or min(len(gpus()) or cores(), len(unfinished))
    with exclusive_lock(".dvc/tmp/compare", "another comparison that queues its runs"):
        found = match_experiments(plan.values)
        for experiment in found.values():
            if experiment["state"] == "failed":
                try:
                    run_dvc("queue", "remove", experiment["name"])
                except UserError as error:  # of a run that was killed before the queue noted its end
                    if "not a valid experiment name" not in str(error):
                        raise
        log(
            f"compare: the others run in the background, {jobs} at a time: `dvc queue status` lists them, `dvc queue logs "
            "NAME` shows the output of one, `dvc queue stop --kill` ends them"
        )
        for key, name in free_names([key for key in unfinished if state(key) == "failed"]).items():
            settings = (part for each in plan.settings[key] for part in ("-S", each))
            run_dvc("exp", "run", "--queue", "--name", name, *settings)
    while True:
        found = match_experiments(plan.values)
        for key in [key for key in unfinished if state(key) == "success"]:
            unfinished.remove(key)
            yield key, found[key]["name"], found[key]["rev"], None
        states = {state(key) for key in unfinished}
        if not states & {"queued", "running"}:
            break
        if "running" not in states and time.monotonic() > started + START_SECONDS:
            start_workers(jobs)
            started = time.monotonic()
        time.sleep(POLL_SECONDS)
    for key in unfinished:
        name = found[key]["name"] if key in found else "its name"
        yield key, name, None, f"of what `dvc queue logs {name}` shows"


def start_workers(jobs):
    """Start the workers of DVC's queue, each with its share of the cores and, of several GPUs, one in turn."""
    devices = gpus()
    environment = {"LOKY_MAX_CPU_COUNT": str(max(cores() // jobs, 1))}
    for number in range(1, jobs + 1) if len(devices) > 1 else [jobs]:
        # `--jobs 2` starts the second worker, if the first one runs.
        if len(devices) > 1:
            environment["CUDA_VISIBLE_DEVICES"] = devices[(number - 1) % len(devices)]
        run_dvc("queue", "start", "--jobs", str(number), **environment)


def gpus():
    """List the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    if not torch.cuda.is_available():
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]


def free_names(runs):
    """Choose a name for the experiment of each run, given by model and seed, that no other experiment has."""
    taken = {experiment["name"] for experiment in list_experiments()}
    return {
        (model, seed): next(
            name for name in (f"{model}-{seed}" + f"-{n}" * (n > 1) for n in count(1)) if name not in taken
        )
        for model, seed in runs
    }


def name_runs(runs):
    """Name runs, given by model and seed, in a sentence."""
    return ", ".join(f"{model} with seed {seed}" for model, seed in runs)


def describe_runs(plan, progress):
    """Say of each run of a `Plan` how far it is (list of str).

    `progress` is what a cluster's runs printed last, by their settings, each line one (dict of str to str).
    """
    found, lines = match_experiments(plan.values), []
    for key, settings in plan.settings.items():
        name = "{}-{}".format(*key)
        experiment = found.get(key, {"name": name, "state": progress.get("\n".join(settings), "not begun")})
        finished = experiment["state"] == "success"
        lines.append(
            f"{experiment['name']:<16} {describe_accuracy(experiment['rev']) if finished else experiment['state']}"
        )
    return lines
