"""Soak test of the queue: kill a comparison at random moments, and compare its result with an undisturbed one.

    python -m benchmarks.soak_compare --kills 100

A comparison of two models runs through DVC's queue. One of the signals of `soak.py` comes at a random moment to all of
its processes, or to one kind alone: the comparison, the queue's worker, the run, its stage, or a worker of that stage.
Then the comparison runs again, until it ends by itself. Exits with 1 if a byte of the runs' `dvc.lock` or of
`plots/comparison` differs, if a kill lost more than one epoch or trial, if a process was left five seconds after all had
got SIGTERM or SIGKILL, or if the comparison gave a traceback. SIGINT and SIGHUP are of a terminal, whose end DVC's queue
outlives.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from kill_helpers import processes, repeated, stage_named
from pipeline_helpers import environment, run

from benchmarks.soak import LEFT_AFTER, SIGNALS, Tally, kills_parser, prepare, send_next, shuffled_kinds

MODELS = ("lenet", "spinalnet")
COMMAND = f"emnist compare --models {','.join(MODELS)} --seeds 42 --jobs 1"
TARGETS = {  # kinds of processes, and what their command lines contain
    "all": "",
    "comparison": "emnist compare",
    "queue": "exp queue-worker",
    "run": "exp exec-run",
    "stage": r"-m stages\.",
    "worker": "popen_loky",
}
ENDING_ALL = {("all", name) for name in SIGNALS if name not in ("SIGINT", "SIGHUP")}


def victims(folder, target):
    """List the numbers of the processes of a kind; of one only where they are workers."""
    found = [process.pid for process in processes(folder, TARGETS[target])]
    return found[:1] if target == "worker" else found


def gone(folder, seconds):
    """Wait until no process is left in a folder, and return whether that came in time."""
    end = time.monotonic() + seconds
    while left := processes(folder):
        if time.monotonic() > end:
            print("left:", *(" ".join(process.info["cmdline"]) for process in left), sep="\n", file=sys.stderr)
            return False
        time.sleep(0.1)
    return True


def logs(folder):
    """Load what DVC's queue keeps of each run's output, the oldest first."""
    files = (folder / ".dvc/tmp/exps/run").glob("*/*.out")
    return {path: path.read_text() for path in sorted(files, key=lambda path: path.stat().st_ctime)}


def results(folder):
    """Give the bytes of the runs' `dvc.lock` and of the comparison's files."""
    refs = run("git for-each-ref --format='%(refname)' refs/exps", folder).stdout.split()
    locks = {
        f"dvc.lock of {ref.rpartition('/')[2]}": run(f"git show {ref}:dvc.lock", folder).stdout.encode()
        for ref in refs
        if re.search(rf"/({'|'.join(MODELS)})-42(-\d+)?$", ref)
    }
    files = {path.name: path.read_bytes() for path in (folder / "plots/comparison").iterdir() if path.suffix != ".html"}
    return {re.sub(r"(-42)-\d+$", r"\1", name): lock for name, lock in locks.items()} | files


def start(folder):
    """Start the comparison in a process group of its own, which writes to FOLDER.log."""
    with open(f"{folder}.log", "a") as file:
        return subprocess.Popen(
            COMMAND.split(), cwd=folder, env=environment(), stdout=file, stderr=file, start_new_session=True
        )


def disturb(folder, kinds, seconds, tally, options, rng):
    """Start the comparison again and again, each time with a kill, until it ends by itself; return the runs' outputs."""
    printed, failures = {}, 0
    while True:
        process, hit = start(folder), None
        with suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0, seconds / 2))
        if process.poll() is None and tally.by_kind.total() < options.kills:
            stage = stage_named("".join(logs(folder).values())) or "none yet"
            if hit := send_next(kinds, lambda target: victims(folder, target)):
                tally.count(hit, stage)
            if hit in ENDING_ALL and not gone(folder, LEFT_AFTER):
                tally.faults.append(f"{hit}: left after {LEFT_AFTER} s")
        try:
            code = process.wait(4 * seconds + 60)
        except subprocess.TimeoutExpired:
            tally.faults.append(f"{hit}: the comparison did not end")
            os.killpg(process.pid, 9)
            code = process.wait()
        printed |= logs(folder)
        if code == 0:
            return printed.values()
        failures = 0 if hit else failures + 1
        assert failures < 3, Path(f"{folder}.log").read_text()
        if failures:
            tally.repaired += bool(run("emnist repair", folder).stdout)


def main():
    options = kills_parser(__doc__).parse_args()
    rng = random.Random(options.seed)
    kinds, tally = shuffled_kinds(rng, TARGETS), Tally(TARGETS)
    with tempfile.TemporaryDirectory() as temporary:
        undisturbed = prepare(Path(temporary) / "undisturbed")
        begin = time.monotonic()
        assert start(undisturbed).wait() == 0, Path(f"{undisturbed}.log").read_text()
        seconds = time.monotonic() - begin
        gone(undisturbed, 60)
        expected = results(undisturbed)
        while tally.by_kind.total() < options.kills:
            folder = prepare(Path(tempfile.mkdtemp(dir=temporary)))
            printed = disturb(folder, kinds, seconds, tally, options, rng)
            output = Path(f"{folder}.log").read_text()
            if "Traceback" in output:
                tally.faults.append(output[output.index("Traceback") :][:1500])
            gone(folder, 60)
            for model in MODELS:
                tally.lost += repeated(text for text in printed if f"experiment '{model}-" in text)
            tally.compare(expected, results(folder))
            run(f"rm -rf {folder}", temporary)
    tally.report()


if __name__ == "__main__":
    main()
