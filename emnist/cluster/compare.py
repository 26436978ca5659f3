"""A comparison whose runs a Dask cluster does."""

import json

import yaml
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo

from emnist.cluster.bundles import commit_to_run, git
from emnist.cluster.connection import QUEUES, connect
from emnist.cluster.coordinator import STEP, Run, progress_topic, run_all
from emnist.comparison.experiments import match_experiments
from emnist.comparison.runs import auto_threads, free_names, name_runs
from emnist.utils.errors import UserError
from emnist.utils.progress import log


def run_missing(plan, address, jobs=None, checkpoints=None):
    """Run on a cluster what is missing of a comparison, and wait until all has ended.

    Parameters
    ----------
    plan : emnist.comparison.runs.Plan
    address : str
        As `emnist.cluster.connection.connect` takes it.
    jobs : int, optional
        Jobs to ask a queueing system for; by default one for each run.
    checkpoints : str, optional
        A folder that all workers reach, in which a run continues after its last epoch on another worker.

    Returns
    -------
    dict of (str, int) to dict
        The experiment of each run, by model and seed.

    Raises
    ------
    UserError
        If a run fails, no worker can be used, or the scheduler ends.
    """
    found = _finished(plan)
    names = free_names([key for key in plan.values if key not in found])
    if not names:
        return found
    remote = default_remote()
    commit_to_run()
    runs = {Run(name, plan.settings[key], auto_threads(plan.values[key])): key for key, name in names.items()}
    log(f"compare: {len(found)} of {len(plan.values)} runs are done; the others run on {address}")
    failed = {}
    with connect(address) as (client, cluster):
        for run, rev, error in run_all(client, runs, remote, checkpoints, cluster, jobs):
            if error:
                failed[runs[run]] = error
                log(f"compare: {run.name} failed: {error}")
            else:
                accuracy = json.loads(git("show", f"{rev}:metrics/evaluate.json"))["test"]["accuracy"]
                log(f"compare: {run.name} is done, its test accuracy is {accuracy:.2%}")
    if failed:
        raise UserError(
            f"{name_runs(failed)} failed, the first because {next(iter(failed.values()))}; "
            "the same command runs what is missing"
        )
    found = _finished(plan)
    fetch_predictions(found.values())
    return found


def fetch_predictions(experiments):
    """Fetch from the remote what the report reads of experiments and git does not have."""
    wanted = set()
    for experiment in experiments:
        stages = yaml.safe_load(git("show", f"{experiment['rev']}:dvc.lock"))["stages"].values()
        outs = [out for stage in stages for out in stage.get("outs", [])]
        wanted |= {HashInfo("md5", out["md5"]) for out in outs if out["path"] == "data/predictions/test.csv"}
    with Repo() as repo:
        repo.cloud.pull(wanted)


def _finished(plan):
    return {key: each for key, each in match_experiments(plan.values).items() if each["state"] == "success"}


def read_progress(address):
    """Return what the runs of this commit printed last on a cluster (dict of str to str, by name)."""
    if address in QUEUES:
        raise UserError(f"--status needs the scheduler's address, which `emnist compare --cluster {address}` prints")
    topic = progress_topic(git("rev-parse", "HEAD").decode().strip())
    with connect(address) as (client, _):
        messages = [message for _, message in client.get_events(topic)]
    return {each["run"]: f"{each['line']} (worker {each['on']})" for each in messages if STEP.match(each["line"])}


def default_remote():
    """Return the settings (dict) of the checkout's default remote that may travel: no password, no key.

    Raises
    ------
    UserError
        If there is none.
    """
    with Repo() as repo:
        name = repo.config["core"].get("remote")
        if not name:
            raise UserError(
                "a cluster needs a default DVC remote, but there is none: docs/sharing.md shows how to add one"
            )
        settings = repo.config["remote"][name]
    return {key: settings[key] for key in ("url", "endpointurl", "port", "user", "region") if key in settings}
