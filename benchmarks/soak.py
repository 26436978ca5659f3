"""Soak test: kill the pipeline at random moments, and compare every byte with an undisturbed run.

    python -m benchmarks.soak --kills 1000

Each stage gets equally many signals, and so does each kind of kill: one of SIGKILL, SIGTERM, SIGINT, SIGHUP, and SIGSTOP
followed by SIGKILL, to the whole process group, to DVC alone, to the stage alone or to one of its workers alone. It comes
at a random moment of the stage or, one time in four, while DVC records its result. Then the same command runs again.
Every other pipeline runs as `dvc exp run`. Exits with 1 if a byte differs, if a kill lost more than one epoch or trial, or
if a process was left after five seconds. SIGINT to DVC alone is not counted there: DVC ignores it while a stage runs.
"""

import itertools
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
from kill_helpers import differences, interrupted, repeated
from pipeline_helpers import checkout, commit, outputs, run, set_params

from benchmarks import make_parser, print_header, print_row
from emnist.utils.errors import run_cli

# Few images, but several epochs and trials, between which a kill can come.
PARAMS = {
    "compute.threads": 1,
    "compute.workers": 2,
    "download.sample.train": 600,
    "download.sample.test": 150,
    "sizes.small.train": 500,
    "sizes.small.test": 130,
    "sizes.small.trials": 4,
    "sizes.small.pretrain_epochs": 6,
    "sizes.small.finetune_epochs": 3,
    "transfer.epochs": 3,
}
TARGETS = ("group", "dvc", "stage", "worker")
NAMES = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGSTOP, SIGKILL")
SIGNALS = {name: [signal.Signals[each] for each in name.split(", ")] for name in NAMES}
LEFT_AFTER = 5  # seconds


def victims(pid, target):
    """List the processes of a command that are to get a signal.

    Parameters
    ----------
    pid : int
        Of the command, which leads its process group.
    target : {"group", "dvc", "stage", "worker"}
        All of them, the command alone, the stage that it runs alone, or one worker process of that stage alone.

    Returns
    -------
    list of int
        Empty if there is none of this kind now.
    """
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        kinds = {"group": ".", "stage": r"-m stages\.", "worker": "popen_loky"}
        if target == "dvc":
            return [pid]
        found = [each.pid for each in processes if re.search(kinds[target], " ".join(each.cmdline()))]
        return found[:1] if target == "worker" else found
    except psutil.Error:  # it has just ended
        return []


def send_signal(find, signals):
    """Send signals (iterable of signal.Signals), one after the other, to the processes whose numbers `find` returns."""
    for number in signals:
        for each in find():
            with suppress(ProcessLookupError):
                os.kill(each, number)
        time.sleep(0.1 if number == signal.SIGSTOP else 0)


def stage_named(said):
    """Name the last stage that DVC says it runs, if any."""
    return (re.findall(r"^Running stage '(\w+)'", said, re.M) or [None])[-1]


def prepare(folder):
    """Make a checkout of the project with few images, and return its folder (pathlib.Path)."""
    checkout(folder)
    set_params(folder, **PARAMS)
    commit(folder, "Fewer images, more epochs")
    return folder


def time_stages(folder):
    """Run the pipeline undisturbed, and return the seconds of each stage (dict of str to float)."""
    starts = []
    done = interrupted("dvc repro", folder, lambda line: starts.append((stage_named(line), time.monotonic())))
    assert done.returncode == 0, done.stdout
    starts = [start for start in starts if start[0]]
    ends = [moment for _, moment in starts[1:]] + [time.monotonic()]
    return {stage: end - start for (stage, start), end in zip(starts, ends)}


class Kills:
    """Decides when the next kill comes and what it is, and counts what the kills cost."""

    def __init__(self, options, seconds):
        self.rng, self.seconds, self.wanted = random.Random(options.seed), seconds, options.kills
        self.most = -(-options.kills // len(seconds))  # kills in a stage
        self.end, self.hit = time.monotonic() + 60 * options.minutes, None
        kinds = list(itertools.product(TARGETS, SIGNALS))
        self.rng.shuffle(kinds)
        self.kinds, self.number_of_kinds = itertools.cycle(kinds), len(kinds)
        self.by_kind, self.by_stage = Counter(), Counter()
        self.lost, self.different, self.faults, self.compared, self.repaired = [0], [], [], 0, 0

    def go_on(self):
        """Whether more kills are wanted."""
        return self.by_kind.total() < self.wanted and time.monotonic() < self.end

    def when(self):
        """Make a function that maps each line of a run's output to the seconds until its kill, or to None."""
        self.hit, recording = None, False

        def of_line(line):
            nonlocal recording
            if stage := stage_named(line):
                few = self.by_stage[stage] < self.most and time.monotonic() < self.end
                wanted = few and self.rng.random() < 0.7
                recording = wanted and self.rng.random() < 0.25
                return self.rng.uniform(0, self.seconds[stage]) if wanted and not recording else None
            if recording and line.startswith("Updating lock file"):
                recording = False
                return self.rng.uniform(0, 0.1)

        return of_line

    def deliver(self, pid):
        """Send the next kind of kill for which there is a process now."""
        for target, name in itertools.islice(self.kinds, self.number_of_kinds):
            if victims(pid, target):
                send_signal(lambda: victims(pid, target), SIGNALS[name])
                self.hit = target, name
                return

    def disturb(self, command, folder):
        """Run a command again and again, disturbed by kills, until it ends by itself; return all that it printed."""
        printed, failures = [], 0
        while True:
            done = interrupted(command, folder, self.when(), deliver=self.deliver)
            printed.append(done.stdout)
            if self.hit:
                self.count(done)
            if done.returncode == 0:
                return printed
            failures = 0 if self.hit else failures + 1
            assert failures < 3, f"{command} does not run again:\n{done.stdout}"
            if not self.hit:
                self.repaired += "half written" in run("emnist repair", folder).stdout

    def count(self, done):
        """Count the kill of a run, as `interrupted` returns it."""
        stage = stage_named(done.stdout)
        self.by_kind[self.hit] += 1
        self.by_stage[stage] += 1
        if done.seconds > LEFT_AFTER and done.returncode and self.hit != ("dvc", "SIGINT"):
            self.faults.append(f"{self.hit} in {stage}: a process was left for {done.seconds:.1f} s")
        if "Traceback" in done.stdout and self.hit[0] != "worker":
            print(f"a traceback after {self.hit}:\n{done.stdout[-2000:]}", file=sys.stderr)

    def report(self):
        """Print the kills of each kind and in each stage and what they cost, and exit."""
        print()
        print_header("kills", *TARGETS)
        for name in SIGNALS:
            print_row(name, *(self.by_kind[target, name] for target in TARGETS))
        print("\nkills by stage:", ", ".join(f"{stage} {count}" for stage, count in self.by_stage.items()))
        print(f"epochs and trials done twice: {sum(self.lost)}, at most {max(self.lost)} for one kill")
        print(f"times that DVC's own files had to be repaired: {self.repaired}")
        print("files that differ:", ", ".join(self.different) or "none")
        print("other faults:", "\n".join(self.faults) or "none")
        sys.exit(bool(self.different or self.faults) or max(self.lost) > 1)


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--kills", type=int, default=50, help="minimum number of kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="time after which no more are sent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = prepare(Path(folder) / "undisturbed")
        kills, expected = Kills(options, time_stages(undisturbed)), outputs(undisturbed)
        runs = 0
        while kills.go_on():
            disturbed = prepare(Path(folder) / f"disturbed-{runs}")
            kills.lost += repeated(kills.disturb(("dvc repro", "dvc exp run")[runs % 2], disturbed))
            runs, found = runs + 1, outputs(disturbed)
            kills.compared += sum(map(len, found.values()))
            kills.different += differences(expected, found)
            print(
                f"{kills.by_kind.total()} kills, {runs} runs to the end, {kills.compared:,} bytes compared, "
                f"{len(kills.different)} files differ, at most {max(kills.lost)} epochs or trials lost, "
                f"{len(kills.faults)} faults",
                flush=True,
            )
            run(f"rm -rf {disturbed}", folder)
    kills.report()


if __name__ == "__main__":
    run_cli(main)
