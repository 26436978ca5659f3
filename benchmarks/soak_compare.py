"""Soak test of the queue: kill a comparison at random moments, and compare its result with an undisturbed one.

    python benchmarks/soak_compare.py --kills 100

A comparison of two models runs through DVC's queue. One of the signals of `soak.py` comes at a random moment to all of
its processes, or to one kind alone: the comparison, the queue's worker, the run, its stage, or a worker of that stage.
Then the comparison runs again, until it ends by itself. Exits with 1 if a byte of the runs' `dvc.lock` or of
`plots/comparison` differs, if a kill lost more than one epoch or trial, if a process was left five seconds after all had
got SIGTERM or SIGKILL, or if the comparison gave a traceback. SIGINT and SIGHUP are of a terminal, whose end DVC's queue
outlives.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kill_helpers import differences, processes, repeated, stage_named  # noqa: E402
from pipeline_helpers import environment, run  # noqa: E402
from soak import LEFT_AFTER, SIGNALS, prepare, print_kills, send_next, shuffled_kinds  # noqa: E402

MODELS = ("lenet", "spinalnet")
COMMAND = f"emnist compare --models {','.join(MODELS)} --seeds 42 --jobs 1"
TARGETS = {  # what a command line of each kind contains
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
    """Read what DVC's queue keeps of each run's output, the oldest first."""
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="minimum number of kills")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    kinds = shuffled_kinds(rng, TARGETS)
    by_kind, by_stage = Counter(), Counter()
    different, lost, faults, compared, comparisons, repaired = [], [0], [], 0, 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        undisturbed = prepare(Path(temporary) / "undisturbed")
        begin = time.monotonic()
        assert start(undisturbed).wait() == 0, Path(f"{undisturbed}.log").read_text()
        seconds = time.monotonic() - begin
        gone(undisturbed, 60)
        expected = results(undisturbed)
        print(f"undisturbed: {seconds:.0f} s", flush=True)
        while by_kind.total() < options.kills:
            folder = prepare(Path(tempfile.mkdtemp(dir=temporary)))
            said, failures = {}, 0
            while True:
                process, hit = start(folder), None
                with suppress(subprocess.TimeoutExpired):
                    process.wait(rng.uniform(0, seconds / 2))
                if process.poll() is None and by_kind.total() < options.kills:
                    stage = stage_named("".join(logs(folder).values())) or "none yet"
                    if hit := send_next(kinds, lambda target: victims(folder, target)):
                        by_stage[stage] += 1
                        by_kind[hit] += 1
                    if hit in ENDING_ALL and not gone(folder, LEFT_AFTER):
                        faults.append(f"{hit}: left after {LEFT_AFTER} s")
                try:
                    code = process.wait(4 * seconds + 60)
                except subprocess.TimeoutExpired:
                    faults.append(f"{hit}: the comparison did not end")
                    os.killpg(process.pid, 9)
                    code = process.wait()
                said |= logs(folder)
                if code == 0:
                    break
                failures = 0 if hit else failures + 1
                assert failures < 3, Path(f"{folder}.log").read_text()
                if failures:
                    repaired += bool(run("emnist repair", folder).stdout)
            output = Path(f"{folder}.log").read_text()
            if "Traceback" in output:
                faults.append(output[output.index("Traceback") :][:1500])
            gone(folder, 60)
            found = results(folder)
            compared += sum(map(len, found.values()))
            different += differences(expected, found)
            for model in MODELS:
                lost += repeated(text for text in said.values() if f"experiment '{model}-" in text)
            comparisons += 1
            print(
                f"{by_kind.total()} kills, {comparisons} comparisons, {compared:,} bytes compared, {len(different)} files "
                f"differ, {sum(lost)} epochs or trials lost, {repaired} repairs, {len(faults)} other faults",
                flush=True,
            )
            run(f"rm -rf {folder}", temporary)

    print_kills(by_kind, by_stage, lost, TARGETS)
    print("files that differ:", ", ".join(different) or "none")
    print("other faults:", "\n".join(faults) or "none")
    sys.exit(bool(different or faults) or max(lost) > 1)


if __name__ == "__main__":
    main()
