"""DVC's records of experiments."""

import copy
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from functools import reduce
from pathlib import Path

import psutil
import yaml
from dvc.api import DVCFileSystem
from dvc.repo import Repo

from emnist.utils import git
from emnist.utils.errors import UserError

STATES = ["failed", "queued", "running", "success"]  # a later one counts for more
SECONDS = 60  # that DVC may take to list its experiments
ATTEMPTS = 5  # to list them, where it fails


def list_experiments():
    """List the experiments that start from this commit, as `dvc exp show` knows them.

    Yields
    ------
    dict
        ``name``, ``rev``, ``state`` (one of `STATES`), ``metrics`` and ``params``.
    """
    for shown in read_records()[1]["experiments"] or []:
        revision, executor = shown["revs"][0], shown["executor"] or {"state": "success"}
        data, state = revision["data"] or {}, executor["state"]
        # What ends is still said to run until a worker has fetched its results, and for ever if no worker is left.
        gone = state == "running" and executor["local"] and not is_process_alive(executor["local"]["pid"])
        if gone and not count_workers():
            state = "failed"
        yield {
            "name": shown["name"],
            "rev": revision["rev"],
            "state": state,
            "metrics": data.get("metrics"),
            "params": data["params"]["params.yaml"]["data"] if data.get("params") else {},
        }


def read_records():
    """Read what `dvc exp show` prints. It is asked again where a run that ends, or was killed, keeps it from answering."""
    failures = 0
    while True:
        try:
            return json.loads(run_dvc("exp", "show", "--json", seconds=SECONDS))
        except subprocess.TimeoutExpired:  # it can wait for ever for a file of that run
            pass
        except UserError as error:  # that run's folder was taken away
            failures += 1
            if ".dvc/tmp/exps" not in str(error) or failures == ATTEMPTS:
                raise
            fail_dead_runs()
            time.sleep(1)


def match_experiments(wanted):
    """Find the experiment of each run.

    Parameters
    ----------
    wanted : dict of hashable to dict
        The parameters of each run, as `params.yaml` holds them.

    Returns
    -------
    dict of hashable to dict
        What `list_experiments` gives, of the runs that have an experiment. Of several the one whose state counts for
        most.
    """
    found = {}
    for experiment in sorted(list_experiments(), key=lambda each: STATES.index(each["state"])):
        for key, values in wanted.items():
            if drop_compute_params(experiment["params"]) == drop_compute_params(values) and (
                experiment["state"] != "success" or is_complete(experiment["rev"], values)
            ):
                found[key] = experiment
    return {key: found[key] for key in wanted if key in found}


def drop_compute_params(values):
    """Copy parameters without those that change only how numbers are rounded."""
    values = copy.deepcopy(values)
    values.pop("compute", None)
    return values


def is_complete(rev, values):
    """Tell whether every stage of an experiment ran with these parameters, and on what the stage before it wrote."""

    def committed(path):
        return subprocess.run(["git", "show", f"{rev}:{path}"], stdout=subprocess.PIPE, check=True).stdout

    stages = yaml.safe_load(committed("dvc.lock"))["stages"].values()
    made = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
    # No stage has a source's options as parameters: `check` writes them to a file.
    made["params.yaml"] = hashlib.md5(committed("params.yaml"), usedforsecurity=False).hexdigest()
    ran_with = {
        name: value
        for stage in stages
        for name, value in stage.get("params", {}).get("params.yaml", {}).items()
        if name != "compute"
    }
    return all(value == reduce(dict.get, name.split("."), values) for name, value in ran_with.items()) and all(
        dep["md5"] == made.get(dep["path"], dep["md5"]) for stage in stages for dep in stage["deps"]
    )


def read_results(experiment):
    """Read what an experiment wrote.

    Returns
    -------
    metrics : dict
        By the name of their file.
    curve, trials, predictions : pandas.DataFrame
        ``plots/pretrain.csv``, ``plots/trials.csv`` and ``data/predictions/test.csv``.
    """
    import pandas as pd

    files = DVCFileSystem(rev=experiment["rev"])

    def table(path, **types):
        return pd.read_csv(io.StringIO(files.read_text(path)), dtype=types)

    return (
        {Path(path).stem: each["data"] for path, each in experiment["metrics"].items()},
        table("plots/pretrain.csv"),
        table("plots/trials.csv"),
        table("data/predictions/test.csv", actual=str, predicted=str),
    )


def experiment_refs():
    """Give git's references to finished experiments, as git prints them: they change when a run ends."""
    return subprocess.run(["git", "for-each-ref", "refs/exps"], stdout=subprocess.PIPE, check=True).stdout


def count_workers():
    """Count the workers of DVC's queue."""
    return sum(map(int, re.search(r"Worker status: (\d+) active, (\d+) idle", run_dvc("queue", "status")).groups()))


def fail_dead_runs():
    """Let DVC's queue take runs for failed that it believes to be running, but that no process does.

    If a run is killed while its folder is made or removed, `dvc exp show` fails for as long as it counts as running.

    Returns
    -------
    int
        The number of such runs.
    """
    with Repo() as repo:
        queue = repo.experiments.celery_queue
        revisions = [entry.stash_rev for entry in queue.iter_active()]
        processes = {revision: queue.proc.get(revision) for revision in revisions}
        dead = [revision for revision, info in processes.items() if not (info and is_process_alive(info.pid))]
    if not dead or count_workers():
        return 0
    run_dvc("queue", "kill", *dead)
    return len(dead)


def is_process_alive(pid):
    """Tell whether a process of this number runs: one that was killed may stay in the list of processes for a while."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it is another user's
        return True


def run_dvc(*command, seconds=None, **environment):
    """Run DVC.

    Parameters
    ----------
    *command : str
    seconds : float, optional
        How long it may take, before `subprocess.TimeoutExpired` is raised.
    **environment : str
        Variables to set for it.

    Returns
    -------
    str
        What it printed.

    Raises
    ------
    UserError
        If it fails.
    """
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as said:
        # Not pipes, which the workers that `dvc queue start` leaves behind would hold open.
        code = subprocess.run(
            [sys.executable, "-m", "dvc", *command],
            stdout=printed,
            stderr=said,
            timeout=seconds,
            env=git.environment_with_identity() | environment,
        ).returncode
        for file in (printed, said):
            file.seek(0)
        if code:
            raise UserError(f"`dvc {' '.join(command)}` failed: {' '.join(said.read().split())[-500:]}")
        return printed.read()
