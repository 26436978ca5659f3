"""A comparison whose runs a Dask cluster does."""

from contextlib import ExitStack

from dvc.repo import Repo

from emnist.cluster.bundles import commit_to_run
from emnist.cluster.connection import QUEUES, connect
from emnist.cluster.coordinator import STEP, Run, progress_topic, run_all
from emnist.comparison.runs import free_names
from emnist.utils.errors import UserError
from emnist.utils.git import head_commit


def run_on_cluster(plan, unfinished, address, jobs=None, checkpoints=None):
    """Run experiments on a cluster; yield what `emnist.comparison.runs.run_missing` takes.

    `UserError` if anything is missing, no worker can be used, or the scheduler ends.

    Parameters
    ----------
    plan : emnist.comparison.runs.Plan
    unfinished : list of (str, int)
        The model and seed of each run.
    address : str
        As `emnist.cluster.connection.connect` takes it.
    jobs, checkpoints
        As for `emnist.cluster.coordinator.run_all`.
    """
    found, problems = [], []
    with ExitStack() as stack:
        for find in (default_remote, commit_to_run, lambda: stack.enter_context(connect(address))):
            try:
                found.append(find())
            except UserError as error:
                problems.append(str(error))
        if problems:
            raise UserError("; and ".join(problems))
        remote, _, (client, cluster) = found
        runs = {Run(name, plan.settings[key]): key for key, name in free_names(unfinished).items()}
        for run, rev, error in run_all(client, runs, remote, checkpoints, cluster, jobs):
            yield runs[run], run.name, rev, error


def read_progress(address):
    """Return what the runs of this commit printed last on a cluster (dict of str to str), by their settings."""
    if address in QUEUES:
        raise UserError(f"--status needs the scheduler's address, which `emnist compare --cluster {address}` prints")
    with connect(address) as (client, _):
        messages = [message for _, message in client.get_events(progress_topic(head_commit()))]
    return {
        "\n".join(each["settings"]): f"{each['line']} (worker {each['on']})"
        for each in messages
        if STEP.match(each["line"])
    }


def default_remote():
    """Return the settings (dict) of the default DVC remote that may travel, no password or key; `UserError` if none."""
    with Repo() as repo:
        name = repo.config["core"].get("remote")
        if not name:
            raise UserError(
                "a cluster needs a default DVC remote, but there is none: docs/sharing.md shows how to add one"
            )
        settings = repo.config["remote"][name]
    return {key: settings[key] for key in ("url", "endpointurl", "port", "user", "region") if key in settings}
