"""Runs of experiments on the workers of a Dask cluster."""

import hashlib
import json
import queue
import re
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import cloudpickle
from distributed.comm import CommClosedError
from tqdm import tqdm

from emnist.cluster import worker
from emnist.cluster.bundles import add_experiment, commit_to_run, pack_commit, project_folder
from emnist.utils.errors import UserError
from emnist.utils.progress import log

MAX_LOST = 4  # workers that a run may lose, one after the other, without one more epoch, trial or stage
REFRESH_SECONDS = 1  # between two questions to the scheduler which workers there are
PATIENCE_SECONDS = 30  # to wait for another worker, where all so far are refused
NEEDED = ("Python", "dvc", "numpy", "torch")  # of the packages of requirements.lock, those that no worker may lack
STEP = re.compile(r"\w+: (?:epoch|trial) \d+|Running stage '\w+'|Stage '\w+' (?:is cached|didn't change)")
CONNECTION_ERRORS = (CommClosedError, ConnectionError, TimeoutError)

cloudpickle.register_pickle_by_value(worker)


@dataclass(eq=False)
class Run:
    """One run: its name, its settings as `dvc exp run -S` takes them, and how it goes."""

    name: str
    settings: list
    attempts: int = 1
    lost: int = 0  # workers, since the last step
    steps: set = field(default_factory=set)  # epochs, trials and stages
    present: int = 0  # refreshes in succession at which a worker had it
    missed: int = 0  # refreshes in succession at which none had it


def progress_topic(commit):
    """Name the topic of Dask's events under which the runs of a commit log their progress."""
    return f"emnist {commit}"


def run_all(client, runs, remote, checkpoints=None, cluster=None, jobs=None):
    """Run experiments on the workers of a cluster, one on each at a time.

    `UserError` if no worker can be used, or the scheduler ends.

    Parameters
    ----------
    client : distributed.Client
    runs : iterable of Run
    remote : dict
        The settings of the DVC remote.
    checkpoints : str, optional
        A folder that all workers reach, in which a run continues after its last epoch on another worker.
    cluster : dask_jobqueue.JobQueueCluster, optional
        To be asked for workers.
    jobs : int, optional
        How many jobs to ask it for; by default one for each run.

    Yields
    ------
    run : Run
    rev, error : str or None
        The experiment, which is now in this checkout, or why there is none.
    """
    coordinator = Coordinator(client, runs, remote, checkpoints)
    workers, jobs = coordinator.workers, jobs or len(coordinator.waiting)
    try:
        while unfinished := len(coordinator.waiting) + len(coordinator.running):
            if client.status != "running":
                raise UserError("the scheduler has ended: start it again, then run the same command to continue")
            if workers.refresh():
                if cluster:
                    cluster.scale(jobs=min(jobs, unfinished))
                if workers.refused and not coordinator.running and workers.idle_seconds() > PATIENCE_SECONDS:
                    raise UserError(f"no worker can be used: {'; '.join(workers.refused.values())}")
                coordinator.take_back()
                coordinator.place()
            with suppress(queue.Empty):
                run, rev, error = coordinator.collect(coordinator.ended.get(timeout=REFRESH_SECONDS))
                if rev or error:
                    yield run, rev, error
    finally:
        coordinator.close()


class Coordinator:
    """What is to be run, and where it runs; `run_all` has the parameters.

    Attributes
    ----------
    workers : Workers
    waiting : collections.deque of Run
    running : dict of distributed.Future to Run
    ended : queue.Queue of distributed.Future
        Those to `collect`.
    """

    def __init__(self, client, runs, remote, checkpoints):
        self.client, self.commit = client, commit_to_run()
        topic = progress_topic(self.commit)
        self.common = {"commit": self.commit, "project": project_folder(), "remote": remote, "topic": topic}
        self.common["checkpoints"] = checkpoints
        self.workers, self.waiting, self.running = Workers(client, self.commit), deque(runs), {}
        self.ended = queue.Queue()
        self.by_name = {run.name: run for run in self.waiting}
        self.bar = tqdm(total=len(self.by_name), unit="run", leave=False, disable=not sys.stderr.isatty())
        client.subscribe_topic(topic, self.follow)

    def close(self):
        """Cancel what runs."""
        self.client.cancel(list(self.running))
        self.bar.close()

    def follow(self, event):
        """Show the progress of a run, an event of Dask."""
        message = event[1]
        run, step = self.by_name.get(message["run"]), STEP.match(message["line"])
        if run and step:
            self.bar.set_postfix_str(f"{run.name}: {message['line'][:60]}")
            if step[0] not in run.steps:
                run.steps.add(step[0])
                run.lost = 0
                if step[0].startswith("Running"):
                    log(f"compare: {run.name} on {message['on']}: {step[0][8:]}")

    def specify(self, run):
        """Return a run's key in Dask and what its worker needs; another coordinator's same run has the same key."""
        spec = {"name": run.name, "settings": run.settings} | self.common
        digest = hashlib.sha256(json.dumps([spec, run.attempts]).encode()).hexdigest()
        return f"{run.name}-{digest[:16]}", spec

    def submit(self, run, address):
        """Give a waiting run to a worker."""
        self.waiting.remove(run)
        run.present = run.missed = 0
        key, spec = self.specify(run)
        # Dask sends a lambda by value; the function itself would go by reference.
        future = self.client.submit(lambda spec: worker.run_experiment(spec), spec, key=key, workers=[address])
        self.running[future] = run
        future.add_done_callback(self.ended.put)

    def take_back(self):
        """Take back the runs that no worker has any more, and those that share a worker although another is free."""
        for future, run in self.running.items():
            address, others = self.workers.find(future.key) or (None, set())
            run.present, run.missed = (run.present + 1, 0) if address else (0, run.missed + 1)
            # Two coordinators that refresh at the same moment choose the same worker; the later key goes elsewhere.
            doubled = run.present == 1 and self.workers.free() and any(other < future.key for other in others)
            if future.status == "pending" and (run.missed == 2 or doubled):
                self.ended.put(future)

    def place(self):
        """Join the runs that another coordinator has begun, and give the others to free workers."""
        theirs = set().union(*self.workers.tasks.values()) - {future.key for future in self.running}
        for run in list(self.waiting) if theirs else []:
            if (key := self.specify(run)[0]) in theirs:
                self.submit(run, self.workers.find(key)[0])
        for run, address in list(zip(self.waiting, self.workers.free())):
            self.submit(run, address)

    def collect(self, future):
        """Fetch what a run gave, as `run_all` yields it; if that is lost, both are None, and the run waits again."""
        run = self.running.pop(future, None)
        rev = error = lost = None
        if run is None:  # it was taken back just before it ended
            return None, None, None
        if future.status == "finished":
            try:
                result = future.result(timeout=60)
                if "bundle" in result:
                    rev = add_experiment(result["bundle"], self.commit, run.name)
                else:
                    error = f"{result['error']} (worker {result['worker']})"
            except UserError as damaged:
                lost = str(damaged)
            except Exception as failure:  # the worker ended before the result was fetched
                lost = f"its result was lost with its worker ({type(failure).__name__})"
        elif future.status == "error":
            error = f"{future.exception()!r:.200}"
        elif run.missed:
            lost = "its worker is gone"
        future.cancel()
        if lost:
            run.lost += 1
            run.attempts += 1
            if run.lost == MAX_LOST:
                error = f"{run.lost} workers in succession were lost with it: {lost}"
            else:
                log(f"compare: {run.name} is given to another worker, because {lost}")
        if rev or error:
            self.bar.update()
        else:
            self.waiting.appendleft(run)
        return run, rev, error


class Workers:
    """The workers of a cluster that may be used, because their environment is this one's, once they have the commit.

    Attributes
    ----------
    tasks : dict of str to set of str
        The keys of the tasks that each usable worker has, by address.
    refused : dict of str to str
        Why the others are not used, a sentence each, by address.
    """

    def __init__(self, client, commit):
        self.client, self.commit = client, commit
        lock = Path("requirements.lock")
        names = re.findall(r"^([\w.-]+)==", lock.read_text() if lock.exists() else "", re.M)
        self.here = worker.installed_versions(sorted({*names, *NEEDED[1:]}))
        self.tasks, self.refused, self.refreshed, self.useful = {}, {}, 0, time.monotonic()

    def refresh(self):
        """Ask for the workers, unless that is less than `REFRESH_SECONDS` ago, and prepare new ones; tell whether it did."""
        if time.monotonic() < self.refreshed + REFRESH_SECONDS:
            return False
        try:
            # `Client.scheduler_info` would give a copy that the client itself replaces by one without workers.
            new = [each for each in self.client.processing() if each not in self.tasks and each not in self.refused]
            prepared = self._prepare(new)
            tasks = self.client.processing()
        except CONNECTION_ERRORS:  # the scheduler has ended
            return False
        self.tasks = {each: set(keys) for each, keys in tasks.items() if each in self.tasks or each in prepared}
        self.refreshed = time.monotonic()
        if new or self.tasks:
            self.useful = self.refreshed
        return True

    def find(self, key):
        """Return the address of the worker that has a task, and its other tasks; None if none has it."""
        return next(((address, keys - {key}) for address, keys in self.tasks.items() if key in keys), None)

    def free(self):
        """List the addresses of the workers that have no task."""
        return sorted(address for address, keys in self.tasks.items() if not keys)

    def idle_seconds(self):
        """Return for how many seconds there has been no usable and no new worker."""
        return self.refreshed - self.useful

    def _prepare(self, new):
        """Check workers and send the commit to those that lack it; return the addresses of those that may be used."""
        names, prepared, lacking = [name for name in self.here if name != "Python"], [], []
        for address, there in self._run(worker.describe_worker, names, self.commit, workers=new).items():
            if isinstance(there, Exception):
                self._refuse(address, f"worker {address} gives no answer: {there}")
            elif different := self._differences(there["versions"]):
                self._refuse(address, f"worker {there['name']} has {', '.join(different[:3])}")
            else:
                (prepared if there["has_commit"] else lacking).append(address)
        pack = pack_commit(self.commit) if lacking else b""
        for address, error in self._run(worker.keep_commit, self.commit, pack, workers=lacking).items():
            if error:
                self._refuse(address, f"worker {address} cannot be prepared: {error}")
            else:
                prepared.append(address)
        return prepared

    def _run(self, function, *arguments, workers):
        """Run a function on workers; return what it gives (or its exception), by address, without those that have ended."""
        results = self.client.run(function, *arguments, workers=workers, on_error="return") if workers else {}
        return {address: result for address, result in results.items() if not isinstance(result, CONNECTION_ERRORS)}

    def _refuse(self, address, why):
        self.refused[address] = why
        log(f"cluster: {why}, so it is not used")

    def _differences(self, there):
        return [
            f"{name} {there[name] or 'missing'} where this machine has {version}"
            for name, version in self.here.items()
            if version and there[name] != version and (there[name] or name in NEEDED)
        ]
