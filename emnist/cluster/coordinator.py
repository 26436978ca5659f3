"""Runs of experiments on the workers of a Dask cluster."""

import hashlib
import json
import queue
import re
import sys
import time
from collections import defaultdict, deque
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
LOOK_SECONDS = 1  # between two looks at which workers there are
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
    address: str | None = None  # of its worker
    looks: int = 0  # at which its worker had it
    missed: int = 0  # looks in succession at which no worker had it

    def specify(self, **common):
        """Return its key in Dask and what its worker needs; another coordinator's same run has the same key."""
        spec = {"name": self.name, "settings": self.settings, **common}
        digest = hashlib.sha256(json.dumps([spec, self.attempts]).encode()).hexdigest()
        return f"{self.name}-{digest[:16]}", spec


def progress_topic(commit):
    """Name the topic of Dask's events under which the runs of a commit log their progress."""
    return f"emnist {commit}"


def run_all(client, runs, remote, checkpoints=None, cluster=None, jobs=None):
    """Run experiments on the workers of a cluster, one on each at a time.

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
    rev : str or None
        The experiment, which is now in this checkout.
    error : str or None
        Why there is none.

    Raises
    ------
    UserError
        If no worker can be used, or the scheduler ends.
    """
    commit = commit_to_run()
    topic = progress_topic(commit)
    common = {
        "commit": commit,
        "project": project_folder(),
        "remote": remote,
        "checkpoints": checkpoints,
        "topic": topic,
    }
    workers, waiting, running, ended = Workers(client, commit), deque(runs), {}, queue.Queue()
    by_name = {run.name: run for run in waiting}
    bar = tqdm(total=len(waiting), unit="run", leave=False, disable=not sys.stderr.isatty())

    def follow(event):
        message = event[1]
        run, step = by_name.get(message["run"]), STEP.match(message["line"])
        if run and step:
            bar.set_postfix_str(f"{run.name}: {message['line'][:60]}")
            if step[0] not in run.steps:
                run.steps.add(step[0])
                run.lost = 0
                if step[0].startswith("Running"):
                    log(f"compare: {run.name} on {message['on']}: {step[0][8:]}")

    def submit(run, address):
        waiting.remove(run)
        run.address, run.looks, run.missed = address, 0, 0
        key, spec = run.specify(**common)
        # A lambda, since Dask would send the function by reference.
        future = client.submit(lambda spec: worker.run_experiment(spec), spec, key=key, workers=[address])
        running[future] = run
        future.add_done_callback(ended.put)

    def place():
        """Take back what is lost or doubled, and give waiting runs to free workers."""
        for future, run in list(running.items()):
            run.address, others = workers.find(future.key) or (None, set())
            run.looks, run.missed = (run.looks + 1, 0) if run.address else (0, run.missed + 1)
            # Two coordinators that look at the same moment choose the same worker; the later key goes elsewhere.
            doubled = run.looks == 1 and workers.free() and any(other < future.key for other in others)
            if future.status == "pending" and (run.missed == 2 or doubled):
                ended.put(future)
        theirs = set().union(*workers.tasks.values()) - {future.key for future in running}  # other coordinators' tasks
        for run in list(waiting) if theirs else []:
            if (key := run.specify(**common)[0]) in theirs:
                submit(run, workers.find(key)[0])
        for run, address in list(zip(waiting, workers.free())):
            submit(run, address)

    client.subscribe_topic(topic, follow)
    try:
        while waiting or running:
            if client.status != "running":
                raise UserError("the scheduler has ended: start it again, then run the same command to continue")
            if workers.look():
                if cluster:
                    cluster.scale(jobs=min(jobs or len(by_name), len(waiting) + len(running)))
                if workers.refused and not running and workers.idle_seconds() > PATIENCE_SECONDS:
                    raise UserError(f"no worker can be used: {'; '.join(workers.refused.values())}")
                place()
            try:
                future = ended.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            run = running.pop(future, None)
            if run is None:
                continue
            rev, error, lost = fetch_result(future, commit, run, workers)
            future.cancel()
            if lost:
                run.lost += 1
                run.attempts += 1
                error = run.lost == MAX_LOST and f"{run.lost} workers in succession were lost with it: {lost}"
                if not error:
                    log(f"compare: {run.name} is given to another worker, because {lost}")
            if rev or error:
                bar.update()
                yield run, rev, error
            else:
                waiting.appendleft(run)
    finally:
        client.cancel(list(running))
        bar.close()


def fetch_result(future, commit, run, workers):
    """Fetch what a run gave.

    Returns
    -------
    rev : str or None
        The experiment, which is now in this checkout.
    error : str or None
        Why the run failed.
    lost : str or None
        Why its result is lost. All three are None if the run was only taken back.
    """
    if future.status == "finished":
        try:
            result = future.result(timeout=60)
            if "bundle" in result:
                return add_experiment(result["bundle"], commit, run.name), None, None
            return None, f"{result['error']} (worker {result['worker']})", None
        except UserError as damaged:
            return None, None, str(damaged)
        except Exception as error:  # the worker ended before the result was fetched
            return None, None, f"its result was lost with its worker ({type(error).__name__})"
    if future.status == "error":
        return None, f"{future.exception()!r:.200}", None
    return None, None, "its worker is gone" if run.missed else None


class Workers:
    """The workers of a cluster that may be used, because their environment is this one's.

    Parameters
    ----------
    client : distributed.Client
    commit : str
        Which each worker gets before it is used.

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
        self.tasks, self.refused, self.looked, self.useful = {}, {}, 0, time.monotonic()

    def look(self):
        """Ask the scheduler, at most once in `LOOK_SECONDS`, for its workers, and prepare new ones; tell whether it did."""
        if time.monotonic() < self.looked + LOOK_SECONDS:
            return False
        try:
            # `Client.scheduler_info` would give a copy that the client itself replaces by one without workers.
            new = [each for each in self.client.processing() if each not in self.tasks and each not in self.refused]
            prepared = self._prepare(new)
            tasks = self.client.processing()
        except CONNECTION_ERRORS:  # of the scheduler
            return False
        self.tasks = {each: set(keys) for each, keys in tasks.items() if each in self.tasks or each in prepared}
        self.looked = time.monotonic()
        if new or self.tasks:
            self.useful = self.looked
        return True

    def find(self, key):
        """Return the address of the worker that has a task, and its other tasks; None if none has it."""
        return next(((address, keys - {key}) for address, keys in self.tasks.items() if key in keys), None)

    def free(self):
        """List the addresses of the workers that have no task."""
        return sorted(address for address, keys in self.tasks.items() if not keys)

    def idle_seconds(self):
        """Return for how many seconds there has been no usable and no new worker."""
        return self.looked - self.useful

    def _prepare(self, new):
        """Check workers and send each what it lacks of the commit; return the addresses of those that may be used."""
        names, sharing, prepared = [name for name in self.here if name != "Python"], defaultdict(list), []
        for address, there in self._run(worker.describe_worker, names, self.commit, workers=new).items():
            if isinstance(there, Exception):
                self._refuse(address, f"worker {address} gives no answer: {there}")
            elif different := self._differences(there["versions"]):
                self._refuse(address, f"worker {there['name']} has {', '.join(different[:3])}")
            else:
                sharing[there["known"]].append(address)
        for known, addresses in sharing.items():
            pack, known = pack_commit(self.commit, known)
            for address, error in self._run(worker.keep_commit, self.commit, known, pack, workers=addresses).items():
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
