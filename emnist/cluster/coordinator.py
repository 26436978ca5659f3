"""Sharing work out over the workers of a Dask cluster."""

import hashlib
import json
import queue
import re
import sys
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cloudpickle
from distributed.comm import CommClosedError
from tqdm import tqdm

from emnist.cluster import worker
from emnist.cluster.bundles import add_experiment, commit_to_run, pack_commit
from emnist.utils.errors import UserError
from emnist.utils.progress import log

LOSSES = 4  # workers that a run may lose, one after the other, without one more epoch, trial or stage
LOOK_SECONDS = 1  # between two looks at which workers there are
PATIENCE_SECONDS = 30  # to wait for another worker, where all so far are refused
NEEDED = ("Python", "dvc", "numpy", "torch")  # of the packages of requirements.lock, those that no worker may lack
STEP = re.compile(r"\w+: (?:epoch|trial) \d+|Running stage '\w+'|Stage '\w+' (?:is cached|didn't change)")

cloudpickle.register_pickle_by_value(worker)


@dataclass(eq=False)
class Run:
    """One run: its name, settings as `dvc exp run -S` takes them, and those that get a worker's number of threads."""

    name: str
    settings: list
    threads: list = field(default_factory=list)
    losses: int = 0
    attempts: int = 0
    steps: set = field(default_factory=set)


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
    """
    commit = commit_to_run()
    pool = Workers(client, partial(send_commit, commit))
    waiting = deque(runs)
    by_name = {run.name: run for run in waiting}
    topic = progress_topic(commit)
    bar = tqdm(total=len(waiting), unit="run", leave=False, disable=not sys.stderr.isatty())

    def follow(event):
        message = event[1]
        run, step = by_name.get(message["run"]), STEP.match(message["line"])
        if run and step:
            bar.set_postfix_str(f"{run.name}: {message['line'][:60]}")
            if step[0] not in run.steps:
                run.steps.add(step[0])
                run.losses = 0
                if step[0].startswith("Running"):
                    log(f"compare: {run.name} on {message['on']}: {step[0][8:]}")

    def submit(run, address):
        run.attempts += 1
        settings = [f"{name}={pool.usable[address]['nthreads']}" for name in run.threads] + run.settings
        spec = {"name": run.name, "commit": commit, "settings": settings, "remote": remote}
        spec |= {"checkpoints": checkpoints, "topic": topic}
        # Another coordinator's same run has the same key: the scheduler runs it once and gives both its result.
        digest = hashlib.sha256(json.dumps([spec, run.attempts]).encode()).hexdigest()
        return client.submit(by_value(worker.run_experiment), spec, key=f"{run.name}-{digest[:16]}", workers=[address])

    def scale(unfinished):
        if cluster:
            cluster.scale(jobs=min(jobs or len(by_name), unfinished))

    client.subscribe_topic(topic, follow)
    try:
        for run, address, result, lost in share_out(client, pool, waiting, submit, on_look=scale):
            rev, error = None, None
            if "bundle" in result:
                try:
                    rev = add_experiment(result["bundle"], commit, run.name)
                except UserError as damaged:
                    lost = str(damaged)
            elif "error" in result:
                error = f"{result['error']} (worker {pool.name(address)})"
            if lost:
                run.losses += 1
                if run.losses < LOSSES:
                    log(f"compare: {run.name} is given to another worker, because {lost}")
                    waiting.appendleft(run)
                    continue
                error = f"{run.losses} workers in succession were lost with it, the last one {address}"
            bar.update()
            yield run, rev, error
    finally:
        bar.close()


def by_value(function):
    """Wrap a function of `worker` for `Client.submit`, which sends by reference whatever pickle can name."""
    return lambda *arguments: function(*arguments)


def send_commit(commit, run, addresses):
    """Send a commit to workers, each only what it lacks; `run` is `Workers.run`. Returns what this gives, by address."""
    sharing, sent = defaultdict(list), {}
    for address, known in run(worker.known_commit, commit, workers=addresses).items():
        sharing[known if isinstance(known, str) else None].append(address)
    for known, these in sharing.items():
        pack, known = pack_commit(commit, known)
        sent |= run(worker.keep_commit, commit, known, pack, workers=these)
    return sent


def share_out(client, pool, waiting, submit, slots=lambda worker: 1, on_look=lambda unfinished: None):
    """Share work out over the workers of a cluster until none is left.

    Parameters
    ----------
    client : distributed.Client
    pool : Workers
    waiting : collections.deque
        Pieces of work, to which the caller may add those that were lost.
    submit : callable
        Gets a piece and the address of a worker, and submits it there; returns a `distributed.Future` of a dict.
    slots : callable, optional
        Gets what the scheduler says about a worker, and returns how many pieces it may have at a time.
    on_look : callable, optional
        Called with the number of pieces that are not finished, whenever the workers were looked at.

    Yields
    ------
    piece
    address : str
        Of its worker.
    result : dict
        What the future gave, or ``error``; empty if it was lost.
    lost : str or None
        Why it was lost.

    Raises
    ------
    UserError
        If no worker can be used, or the scheduler ends.
    """
    running, ended = {}, queue.Queue()
    try:
        while waiting or running:
            if client.status != "running":
                raise UserError("the scheduler has ended: start it again, then run the same command to continue")
            if pool.look():
                on_look(len(waiting) + len(running))
                if pool.refused and not running and pool.idle_seconds() > PATIENCE_SECONDS:
                    raise UserError(f"no worker can be used: {'; '.join(pool.refused.values())}")
                for future in [future for future, (_, address) in running.items() if address not in pool.usable]:
                    ended.put(future)
            busy = Counter(address for _, address in running.values())
            free = [address for address, each in sorted(pool.usable.items()) if busy[address] < slots(each)]
            while waiting and free:
                address = free.pop(0)
                piece = waiting.popleft()
                future = submit(piece, address)
                running[future] = piece, address
                future.add_done_callback(ended.put)
                busy[address] += 1
                if busy[address] < slots(pool.usable[address]):
                    free.append(address)
            try:
                future = ended.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            if future not in running:
                continue
            piece, address = running.pop(future)
            result, lost = {}, None
            if future.status == "finished":
                try:
                    result = future.result(timeout=60)
                except Exception as error:  # the worker ended before the result was fetched
                    lost = f"its result was lost with {address} ({type(error).__name__})"
            elif future.status == "error":
                result = {"error": f"{future.exception()!r:.200}"}
            else:
                lost = f"{address} is gone"
            future.cancel()
            yield piece, address, result, lost
    finally:
        client.cancel(list(running))


class Workers:
    """The workers of a cluster that may be used, because their environment is this one's.

    Parameters
    ----------
    client : distributed.Client
    prepare : callable
        Prepares workers before they are used: gets the method `run` and their addresses, and returns what this gives.

    Attributes
    ----------
    usable : dict of str to dict
        What the scheduler says about each, by address.
    refused : dict of str to str
        Why the others are not used, a sentence each, by address.
    """

    def __init__(self, client, prepare):
        self.client, self.prepare = client, prepare
        lock = Path("requirements.lock")
        names = re.findall(r"^([\w.-]+)==", lock.read_text() if lock.exists() else "", re.M)
        self.here = worker.installed_versions(sorted({*names, *NEEDED[1:]}))
        self.usable, self.refused, self.looked, self.useful = {}, {}, 0, time.monotonic()

    def look(self):
        """Look, at most once in `LOOK_SECONDS`, which workers there are, and check new ones; tell whether it did."""
        if time.monotonic() < self.looked + LOOK_SECONDS:
            return False
        known = self.client.scheduler_info(n_workers=-1)["workers"]  # some versions of Dask list five by default
        self.usable = {address: self.usable[address] for address in self.usable if address in known}
        new = [address for address in known if address not in self.usable and address not in self.refused]
        if new:
            there = self.run(worker.installed_versions, [name for name in self.here if name != "Python"], workers=new)
            for address, versions in there.items():
                if different := self._differences(versions):
                    self.refused[address] = f"worker {known[address]['name']} has {', '.join(different[:3])}"
                    log(f"cluster: {self.refused[address]}, so it is not used")
            same = [address for address in there if address not in self.refused]
            for address, error in self.prepare(self.run, same).items():
                if error:
                    self.refused[address] = f"worker {known[address]['name']} cannot be prepared: {error}"
                    log(f"cluster: {self.refused[address]}, so it is not used")
                else:
                    self.usable[address] = known[address]
        self.looked = time.monotonic()
        if new or self.usable:
            self.useful = self.looked
        return True

    def idle_seconds(self):
        """Return for how many seconds there has been no usable and no new worker."""
        return self.looked - self.useful

    def name(self, address):
        """Return the name of a worker, or its address if it is gone."""
        return self.usable.get(address, {"name": address})["name"]

    def run(self, function, *arguments, workers):
        """Run a function on workers; return what it gives (or its exception), by address, without those that have ended."""
        if not workers:
            return {}
        ended = (CommClosedError, ConnectionError, TimeoutError)
        try:
            results = self.client.run(function, *arguments, workers=workers, on_error="return")
        except ended:  # the scheduler
            return {}
        return {address: result for address, result in results.items() if not isinstance(result, ended)}

    def _differences(self, there):
        if isinstance(there, Exception):
            return [f"no answer: {there}"]
        return [
            f"{name} {there[name] or 'missing'} where this machine has {version}"
            for name, version in self.here.items()
            if version and there[name] != version and (there[name] or name in NEEDED)
        ]
