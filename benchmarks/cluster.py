"""Cost of the coordinator of `emnist compare --cluster`, by simulation: many runs, of which each ends at once.

``python -m benchmarks.cluster --runs 10000 --workers 100``: a scheduler and workers in one process, the coordinator in
another. In place of training, a worker makes the commit of an experiment.
"""

import argparse
import asyncio
import hashlib
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from distributed import Scheduler, Worker

from benchmarks import make_parser, print_header, print_row
from emnist.cluster import coordinator, worker
from emnist.cluster.bundles import experiment_ref, git
from emnist.cluster.connection import connect
from emnist.utils.errors import run_cli


def simulate_run(run):
    """Stand in for `emnist.cluster.worker.run_experiment`: make a commit with one metric, in place of training."""
    metrics = make_object("blob", f"accuracy: {run['name']}\n".encode())
    folder = make_object("tree", b"100644 evaluate.yaml\0" + metrics[0])
    params = bytes.fromhex(run["settings"][0])
    root = make_object("tree", b"40000 metrics\0" + folder[0] + b"100644 params.yaml\0" + params)
    person = "EMNIST <emnist@localhost> 0 +0000"
    text = f"tree {root[0].hex()}\nparent {run['commit']}\nauthor {person}\ncommitter {person}\n\nsimulated\n"
    commit = make_object("commit", text.encode())
    pack = b"PACK" + struct.pack(">II", 2, 4) + b"".join(packed for _, packed in (metrics, folder, root, commit))
    head = (
        f"# v2 git bundle\n-{run['commit']} start\n{commit[0].hex()} {experiment_ref(run['commit'], run['name'])}\n\n"
    )
    return {"bundle": head.encode() + pack + hashlib.sha1(pack, usedforsecurity=False).digest()}


def make_object(kind, content):
    """Return an object's hash, and the object as a pack holds it."""
    name = hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).digest()
    size, header = len(content) >> 4, [{"commit": 1, "tree": 2, "blob": 3}[kind] << 4 | len(content) & 15]
    while size:
        header[-1] |= 128
        header.append(size & 127)
        size >>= 7
    return name, bytes(header) + zlib.compress(content)


async def serve(workers, file):
    """Be a scheduler and its workers until standard input is closed."""
    async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
        started = [Worker(scheduler.address, nthreads=1, local_directory=tempfile.mkdtemp()) for _ in range(workers)]
        await asyncio.gather(*started)
        Path(file).write_text(scheduler.address)
        await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


def measure(runs, workers):
    """Coordinate so many runs; return the seconds, those of a processor (with git's), and the largest memory in bytes."""
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    Path("params.yaml").write_text("model: simulated\n")
    for command in ("init --quiet", "add params.yaml", "commit --quiet --message start"):
        git("-c", "user.name=EMNIST", "-c", "user.email=emnist@localhost", *command.split())
    params = git("rev-parse", "HEAD:params.yaml").decode().strip()
    code = Path(__file__).parents[1]
    serving = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.cluster", "--serve", f"{folder}/address", "--workers", str(workers)],
        cwd=code,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # that the connections end
    )
    while not Path("address").exists():
        time.sleep(0.1)
    worker.run_experiment = simulate_run
    wanted = [coordinator.Run(f"run-{number}", [params]) for number in range(runs)]
    with connect(Path("address").read_text()) as (client, _):
        start, busy = time.perf_counter(), sum(os.times()[:4])
        ended = [error for *_, error in coordinator.run_all(client, wanted, remote={})]
        seconds, busy = time.perf_counter() - start, sum(os.times()[:4]) - busy
    serving.stdin.close()
    serving.wait()
    assert ended == [None] * runs and len(git("for-each-ref", "refs/exps").splitlines()) == runs
    return seconds, busy, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--runs", type=int, default=10000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.workers, options.serve))
    print_header("runs", "seconds", "runs a second", "seconds of a processor", "memory at most")
    for runs in (options.runs // 4, options.runs // 2, options.runs):
        seconds, busy, memory = measure(runs, options.workers)
        print_row(f"{runs:,}", f"{seconds:.0f}", f"{runs / seconds:.0f}", f"{busy:.0f}", f"{memory / 1e6:.0f} MB")


if __name__ == "__main__":
    run_cli(main)
