"""Calls of a function on the workers of a Dask cluster, as `emnist.utils.workers` makes them on this machine."""

import base64
import hashlib
import io
import pickle
import zipfile
from collections import Counter, deque
from pathlib import Path

import emnist
from emnist.cluster import worker
from emnist.cluster.connection import connect
from emnist.cluster.coordinator import LOSSES, Workers, by_value, share_out
from emnist.utils.errors import UserError
from emnist.utils.progress import log


def run_on_cluster(name, function, tasks, address):
    """Call a function for each task, each in a process of its own, as many on a worker as it has threads.

    Parameters
    ----------
    name, function, tasks
        As `emnist.utils.workers.run_in_workers` takes them. The function is of this package, which travels to each worker,
        and returns a JSON value. What several tasks share travels once to each worker.
    address : str
        As `emnist.cluster.connection.connect` takes it, of a scheduler.

    Yields
    ------
    number, result
        Of each task when it is done, in any order.

    Raises
    ------
    UserError
        If a call fails, if too many workers are lost, if none can be used, or if the scheduler ends.
    """
    code, calls = pack_package(), base64.b64encode(pickle.dumps((function, tasks))).decode()
    key = f"{name}-{hashlib.sha256(code + calls.encode()).hexdigest()[:16]}"
    waiting, losses = deque(tasks), Counter()
    with connect(address) as (client, _):
        pool = Workers(client, lambda run, addresses: run(worker.keep_calls, key, code, calls, workers=addresses))
        log(f"{name}: runs on the workers of {client.scheduler.address}")

        def submit(number, address):
            return client.submit(by_value(worker.run_call), key, number, workers=[address], pure=False)

        for number, address, result, lost in share_out(
            client, pool, waiting, submit, slots=lambda each: each["nthreads"]
        ):
            if lost:
                losses[number] += 1
                if losses[number] >= LOSSES:
                    raise UserError(f"{name}: {LOSSES} workers were lost with the same call, the last one {address}")
                log(f"{name}: a call is given to another worker, because {lost}")
                waiting.appendleft(number)
            elif "error" in result:
                raise UserError(f"{name}: {result['error']} (worker {pool.name(address)})")
            else:
                yield number, result["result"]


def pack_package():
    """Pack the code of this package, as it is now; return a ZIP file (bytes)."""
    packed, folder = io.BytesIO(), Path(emnist.__file__).parent
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.py")):
            archive.writestr(zipfile.ZipInfo(f"emnist/{path.relative_to(folder).as_posix()}"), path.read_bytes())
    return packed.getvalue()
