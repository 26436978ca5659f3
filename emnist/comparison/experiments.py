"""DVC's records of experiments."""

import io
import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache, reduce

import psutil
from dvc.repo import Repo
from dvc.repo.experiments.queue.exceptions import CannotKillTasksError

from emnist.utils.errors import UserError
from emnist.utils.git import GitError, environment_with_identity, git, head_commit, read_committed
from emnist.utils.yaml import load_yaml

WORKER_SECONDS = 5  # in which the workers of DVC's queue answer
STATES = ["failed", "queued", "running", "success"]  # a later one counts for more


def list_experiments():
    """List the experiments that start from this commit, those of DVC's queue before those that are finished.

    `dvc exp show` lists them too, but it can fail or wait for ever where a run ends or was killed.

    Yields
    ------
    dict
        ``name``, ``rev``, ``state`` (one of `STATES`) and ``params``, the content of its `params.yaml`.
    """
    head = head_commit()
    with Repo() as repo:
        queue = repo.experiments.celery_queue
        dead = dead_runs(queue)
        entries = [("failed", entry) for entry, _ in queue.iter_failed()]
        entries += [("queued", entry) for entry in queue.iter_queued()]
        entries += [("failed" if entry.stash_rev in dead else "running", entry) for entry in queue.iter_active()]
    found = [(each.name, each.stash_rev, state) for state, each in entries if each.baseline_rev == head]
    refs = git("for-each-ref", "--format=%(objectname) %(refname:lstrip=4)", f"refs/exps/{head[:2]}/{head[2:]}")
    found += [(name, rev, "success") for rev, name in map(str.split, refs.decode().splitlines())]
    for name, rev, state in found:
        yield {"name": name, "rev": rev, "state": state, "params": committed_params(rev)}


@cache
def committed_params(rev):
    """Return the parameters (dict) in an experiment's `params.yaml`; empty if it has none that can be read."""
    with suppress(GitError, ValueError, TypeError):
        return dict(load_yaml(read_committed(rev, "params.yaml")))
    return {}


def match_experiments(wanted):
    """Find the experiment of each run, as `list_experiments` gives it; of several the one whose state counts for most.

    `wanted` has the parameters of each run, as `params.yaml` holds them, by any key, which is also the result's.
    """
    found = {}
    for experiment in sorted(list_experiments(), key=lambda each: STATES.index(each["state"])):
        for key, values in wanted.items():
            if drop_compute_params(experiment["params"]) == drop_compute_params(values) and (
                experiment["state"] != "success" or is_complete(experiment["rev"], values)
            ):
                found[key] = experiment
    return {key: found[key] for key in wanted if key in found}


def finished_experiments(wanted):
    """Find the experiment of each run that is finished, as `match_experiments` does."""
    return {key: each for key, each in match_experiments(wanted).items() if each["state"] == "success"}


def drop_compute_params(values):
    """Copy parameters, by section or by dotted name, without those that change only how numbers are rounded."""
    return {name: value for name, value in values.items() if name.split(".")[0] != "compute"}


def is_complete(rev, values):
    """Tell whether every stage of an experiment ran with these parameters, and on what the stage before it wrote."""
    try:
        stages = load_yaml(read_committed(rev, "dvc.lock"))["stages"].values()
        made = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
        ran_with = [drop_compute_params(stage.get("params", {}).get("params.yaml", {})) for stage in stages]
        values = drop_compute_params(values)
        return all(
            value == reduce(dict.get, name.split("."), values) for stage in ran_with for name, value in stage.items()
        ) and all(dep["md5"] == made.get(dep["path"], dep["md5"]) for stage in stages for dep in stage["deps"])
    except (GitError, ValueError, LookupError, TypeError, AttributeError):
        return False  # dvc.lock is missing, damaged, or not of this pipeline


def read_results(experiment):
    """Read what an experiment wrote: its metrics (dict) by the name of their file, and three tables (pandas.DataFrame).

    These are ``plots/pretrain.csv``, ``plots/trials.csv`` and ``data/predictions/test.csv``.
    """
    import pandas as pd

    rev = experiment["rev"]
    with Repo() as repo, repo.switch(rev):  # a `DVCFileSystem` would begin at the git repository's top folder
        predictions = repo.dvcfs.read_bytes("/data/predictions/test.csv")
    return (
        {name: read_metrics(rev, name) for name in ("evaluate", "transfer", "search", "pretrain")},
        *(pd.read_csv(io.BytesIO(read_committed(rev, f"plots/{name}.csv"))) for name in ("pretrain", "trials")),
        pd.read_csv(io.BytesIO(predictions), dtype={"actual": str, "predicted": str}, keep_default_na=False),
    )


def read_metrics(rev, name):
    """Read the metrics of an experiment's stage from git."""
    return json.loads(read_committed(rev, f"metrics/{name}.json"))


def describe_accuracy(rev):
    """Say that an experiment is done, and its test accuracy."""
    return f"done, its test accuracy is {read_metrics(rev, 'evaluate')['test']['accuracy']:.2%}"


def fail_dead_runs():
    """Let DVC's queue take for failed what it believes to be running, but no process does; return how many runs.

    If a run is killed while its folder is made or removed, `dvc exp show` fails for as long as it counts as running.
    """
    with Repo() as repo:
        queue = repo.experiments.celery_queue
        if dead := dead_runs(queue):
            with suppress(CannotKillTasksError):  # a worker has just begun with it
                queue.kill(dead)
        return len(dead)


def dead_runs(queue):
    """List the runs (str) of DVC's queue that count as running, but that no process does and no worker ends."""
    processes = {entry.stash_rev: queue.proc.get(entry.stash_rev) for entry in queue.iter_active()}
    dead = [revision for revision, info in processes.items() if not (info and is_process_alive(info.pid))]
    # A run that begins or has just ended has no process either, but a worker, which may take seconds to answer.
    return dead if dead and not queue.celery.control.inspect(timeout=WORKER_SECONDS).active() else []


def is_process_alive(pid):
    """Tell whether a process of this number runs: one that was killed may stay in the list of processes for a while."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it is another user's
        return True


def run_dvc(*command, **environment):
    """Run a command of DVC with some environment variables; raise `UserError` if it fails."""
    # The output goes to a file, since the workers that `dvc queue start` leaves behind would hold a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment_with_identity() | environment,
        )
        output.seek(0)
        if done.returncode:
            raise UserError(f"`dvc {' '.join(command)}` failed: {' '.join(output.read().split())[-500:]}")
