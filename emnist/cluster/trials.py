"""Calls of a function on the workers of a Dask cluster, as `emnist.utils.workers` makes them on this machine."""

import hashlib
import threading
from functools import cache, partial
from pathlib import Path

from distributed import CancelledError, KilledWorker, as_completed, get_worker

import emnist
from emnist.cluster.connection import connect
from emnist.cluster.worker import installed_versions
from emnist.utils.errors import UserError
from emnist.utils.progress import log

_turn = threading.Lock()


def run_on_cluster(name, function, tasks, address):
    """Call a function for each task, one at a time in each worker process of a cluster.

    Parameters
    ----------
    name, function, tasks
        As `emnist.utils.workers.run_in_workers` takes them. What several tasks share travels once to each worker.
    address : str
        As `emnist.cluster.connection.connect` takes it, of a scheduler.

    Yields
    ------
    number, result
        As `run_in_workers` yields them.

    Raises
    ------
    UserError
        If a call fails, a worker's code or packages differ, workers are lost again and again, or the scheduler ends.

    Notes
    -----
    joblib's backend for Dask (1.6) waits for ever once the scheduler ends, or a worker with data that others need.
    """
    with connect(address) as (client, _):
        log(f"{name}: runs on the workers of {client.scheduler.address}")
        # Dask computes a task again if its worker is lost; data that a client scatters would be lost with it.
        kept = client.submit(partial(dict, tasks), pure=False)
        here = describe_environment()
        calls = {client.submit(call, function, kept, number, here, pure=False): number for number in tasks}
        try:
            for future in as_completed(list(calls), loop=client.loop):
                number, result = calls.pop(future), future.result()
                future.release()  # Dask would repeat the call if the worker were lost
                yield number, result
        except KilledWorker:
            raise UserError(
                f"{name}: several workers were ended one after the other with the same call, as the system does when "
                "memory is short: start fewer on one machine"
            ) from None
        except CancelledError:
            raise UserError("the scheduler has ended: start it again, then run the same command to continue") from None
        except ImportError as error:
            raise UserError(f"{name}: a worker lacks code: {error}") from None


def call(function, tasks, number, expected):
    """Make one of several calls in a worker; raise `UserError` if its environment is not the one expected."""
    for part, there in describe_environment().items():
        if there != expected[part]:
            raise UserError(
                f"worker {get_worker().name} has {part} {there} where {expected[part]} is expected: give it the same "
                "environment and code, and start it again"
            )
    with _turn:  # PyTorch has one sequence of random numbers and one number of threads in a process
        return function(*tasks[number])


@cache  # what is imported stays, even if the files change
def describe_environment():
    """Return the versions (str) of what computes, and a digest of the code of `emnist`."""
    digest, folder = hashlib.sha256(), Path(emnist.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return installed_versions(["numpy", "torch"]) | {"emnist": digest.hexdigest()[:8]}
