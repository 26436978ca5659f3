"""One experiment in a clone of its commit, which a Dask worker starts: ``python -m emnist.cluster.run``.

The worker writes the run as a line of JSON to standard input, and closes it when the run should end. The line
``NUL lock NAME`` on standard output asks the worker for a lock, and an empty line on standard input grants it; ``NUL
unlock`` gives it back.
"""

import json
import os
import queue
import shutil
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from dvc.exceptions import DvcException, ReproductionError
from dvc.fs import generic
from dvc.repo import Repo
from dvc.repo.experiments.executor.base import BaseExecutor
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage.cache import _can_hash, _get_stage_hash
from dvc.utils.hydra import apply_overrides

from emnist.cluster.bundles import pack_experiment
from emnist.utils.checkpoint import remove_stale_files
from emnist.utils.errors import UserError, run_cli
from emnist.utils.git import environment_with_identity

_granted = queue.Queue()
_ends = threading.Event()


def main():
    run = json.loads(sys.stdin.readline())
    threading.Thread(target=_read_answers, args=[run["folder"]], daemon=True).start()
    os.environ |= environment_with_identity()
    if run["checkpoints"]:
        os.environ["EMNIST_CHECKPOINTS"] = run["checkpoints"]
    try:
        apply_overrides("params.yaml", run["settings"])
        configure(run["remote"])
        Path(".dvc/cache").symlink_to(run["cache"])
        with Repo() as repo:
            repo.scm_context.quiet = True
            stages = plan_repro(get_active_graph(repo.index.graph), collect_stages(repo, ["dvc.yaml"]))
            for name in [stage.addressing for stage in stages]:
                run_stage(repo, name)
            # All stages have run: this only commits. `dvc exp save` would commit a pickle of DVC's own, too.
            repo.experiments.run(name=run["name"])
        Path(run["folder"], "experiment.bundle").write_bytes(pack_experiment(run["commit"], run["name"]))
        if run["checkpoints"]:
            remove_stale_files()
    except ReproductionError:
        sys.exit(1)  # the stage has said why
    except DvcException as error:
        raise UserError(" ".join(str(error).split())) from None
    finally:
        if _ends.is_set():
            threading.Event().wait()  # the other thread ends this process


def configure(remote):
    """Name the remote (its settings, a dict) in the clone's local configuration of DVC."""
    with Repo() as repo, repo.config.edit("local") as config:
        config["core"]["remote"] = "cluster"
        config["remote"]["cluster"] = remote
        config["exp"]["auto_push"] = False


def run_stage(repo, name):
    """Run a stage, or take its results from the run cache; then they are in the remote, too.

    One worker at a time runs the same stage: the others wait and take its results.
    """
    (stage,) = repo.stage.collect(name)
    with repo.lock:
        if not stage.changed_stage() and not stage.changed_deps():  # the commit has its results
            with remote_is("read"):
                repo.cloud.pull(set().union(*stage.get_used_objs().values()))
            with suppress(FileNotFoundError):  # DVC raises it where the remote lacks a file; then the stage runs
                stage.checkout(force=True, allow_missing=True)
    stage.save_deps()
    key = _get_stage_hash(stage) if _can_hash(stage) else None
    if key:
        print(f"\0lock {key}", flush=True)
        _granted.get()
        pull_stage(repo, key)
    # `dvc exp run` calls a stage in this way, which adds what it writes to git.
    repo.reproduce(name, single_item=True, repro_fn=BaseExecutor._repro_and_track)
    push_stage(repo, name, key)
    if key:
        print("\0unlock", flush=True)


def pull_stage(repo, key):
    """Fetch a stage's results from the remote's run cache, if they are there.

    `dvc pull --run-cache` would fetch the results of all stages that ever ran.
    """
    remote = repo.cloud.get_remote_odb(hash_name="md5-dos2unix")
    with remote_is("read"):
        copy_entries(remote, repo.cache.legacy, key)
        repo.cloud.pull(used_objects(repo, key))


def push_stage(repo, name, key):
    """Send a stage's results to the remote: first its files, then its entry in the run cache, if DVC made one."""
    (stage,) = repo.stage.collect(name)
    objects = set().union(*stage.get_used_objs().values(), used_objects(repo, key))
    remote = repo.cloud.get_remote_odb(hash_name="md5-dos2unix")
    with remote_is("written"):
        for failed in repo.cloud.push(objects).failed:
            cache, there = repo.cache.local, repo.cloud.get_remote_odb()
            generic.copy(cache.fs, cache.oid_to_path(failed.value), there.fs, there.oid_to_path(failed.value))
        if key:
            copy_entries(repo.cache.legacy, remote, key)


@contextmanager
def remote_is(used):
    """Tell in one sentence that the remote cannot be used."""
    try:
        yield
    except (OSError, DvcException) as error:
        raise UserError(f"the DVC remote cannot be {used}: {' '.join(str(error).split())}") from None


def copy_entries(source, target, key):
    """Copy the entries of a stage from one run cache to another."""
    folder = source.fs.join(source.path, "runs", key[:2], key)
    for path in source.fs.find(folder) if source.fs.exists(folder) else []:
        there = target.fs.join(target.path, "runs", key[:2], key, source.fs.name(path))
        if not target.fs.exists(there):
            generic.copy(source.fs, path, target.fs, there)


def used_objects(repo, key):
    """Return what the entries of a stage in this machine's run cache refer to, a set of hashes."""
    folder = Path(repo.stage_cache._get_cache_dir(key or ""))
    entries = [(key, path.name) for path in folder.iterdir()] if key and folder.exists() else []
    return set().union(*repo.stage_cache.get_used_objs(entries).values())


def _read_answers(folder):
    """Pass on the worker's answers until it closes standard input or is gone; then end all that runs here."""
    for _ in sys.stdin:
        _granted.put(None)
    _ends.set()
    stages = psutil.Process().children(recursive=True)
    for signal_them in (psutil.Process.terminate, psutil.Process.kill):
        for process in stages:
            if process.is_running():
                signal_them(process)
        _, stages = psutil.wait_procs(stages, timeout=10)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    run_cli(main)
