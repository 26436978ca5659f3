"""Soak test: kill the pipeline at random moments, and compare every byte with an undisturbed run.

    python -m benchmarks.soak --kills 1000

Each stage gets equally many signals, and so does each kind of kill: one of SIGKILL, SIGTERM, SIGINT, SIGHUP, and SIGSTOP
followed by SIGKILL, to the whole process group, to DVC alone, to the stage alone or to one of its workers alone. It comes
at a random moment of the stage or, one time in four, while DVC records its result. Then the same command runs again.
Every other pipeline runs as `dvc exp run`. Exits with 1 if a byte differs, if a kill lost more than one epoch or trial, or
if a process was left after five seconds. SIGINT to DVC alone is not counted there: DVC ignores it while a stage runs.
"""

import itertools
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from kill_helpers import differences, interrupted, repeated, send_signal, stage_named, victims
from pipeline_helpers import checkout, commit, outputs, run, set_params

from benchmarks import make_parser, print_header, print_row

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


def shuffled_kinds(rng, targets):
    """Give pairs of a target and a key of `SIGNALS`, in random order, again and again."""
    kinds = list(itertools.product(targets, SIGNALS))
    rng.shuffle(kinds)
    return itertools.cycle(kinds)


def send_next(kinds, find):
    """Send the next of `kinds` for whose target `find` finds processes; return it, or None if there are none at all."""
    for target, name in itertools.islice(kinds, 100):  # more than there are kinds
        if find(target):
            send_signal(lambda: find(target), SIGNALS[name])
            return target, name


def kills_parser(doc):
    """Make the argument parser of a soak test."""
    parser = make_parser(doc)
    parser.add_argument("--kills", type=int, default=50, help="minimum number of kills")
    parser.add_argument("--seed", type=int, default=0)
    return parser


class Tally:
    """Counts the kills of a soak test and what they cost."""

    def __init__(self, targets):
        self.targets, self.by_kind, self.by_stage = targets, Counter(), Counter()
        self.lost, self.different, self.faults = [0], [], []
        self.runs = self.compared = self.repaired = 0

    def count(self, kind, stage):
        """Count a kill of a kind, as `send_next` returns it, in a stage (str)."""
        self.by_kind[kind] += 1
        self.by_stage[stage] += 1

    def compare(self, expected, found):
        """Compare the files (dict of str to bytes) of a disturbed run with the expected ones, and say what there is."""
        self.runs += 1
        self.compared += sum(map(len, found.values()))
        self.different += differences(expected, found)
        print(
            f"{self.by_kind.total()} kills, {self.runs} runs to the end, {self.compared:,} bytes compared, "
            f"{len(self.different)} files differ, at most {max(self.lost)} epochs or trials lost, {len(self.faults)} faults",
            flush=True,
        )

    def report(self):
        """Print the kills of each kind and in each stage and what they cost, and exit."""
        print()
        print_header("kills by signal", *self.targets)
        for name in SIGNALS:
            print_row(name, *(self.by_kind[target, name] for target in self.targets))
        print("\nkills by stage:", ", ".join(f"{stage} {count}" for stage, count in self.by_stage.items()))
        print(f"epochs and trials done twice: {sum(self.lost)}, at most {max(self.lost)} for one kill")
        print(f"times that DVC's own files had to be repaired: {self.repaired}")
        print("files that differ:", ", ".join(self.different) or "none")
        print("other faults:", "\n".join(self.faults) or "none")
        sys.exit(bool(self.different or self.faults) or max(self.lost) > 1)


class Kills:
    """Decides when the next kill comes and what it is."""

    def __init__(self, options, seconds, tally):
        self.rng, self.seconds, self.tally = random.Random(options.seed), seconds, tally
        self.most = -(-options.kills // len(seconds))  # kills in a stage
        self.end, self.hit = time.monotonic() + 60 * options.minutes, None
        self.kinds = shuffled_kinds(self.rng, TARGETS)

    def when(self):
        """Make a function that maps each line of a run's output to the seconds until its kill, or to None."""
        self.hit, recording = None, False

        def of_line(line):
            nonlocal recording
            if stage := stage_named(line):
                few = self.tally.by_stage[stage] < self.most and time.monotonic() < self.end
                wanted = few and self.rng.random() < 0.7
                recording = wanted and self.rng.random() < 0.25
                return self.rng.uniform(0, self.seconds[stage]) if wanted and not recording else None
            if recording and line.startswith("Updating lock file"):
                recording = False
                return self.rng.uniform(0, 0.1)

        return of_line

    def deliver(self, pid):
        """Send the next kill for which there is a process now."""
        self.hit = send_next(self.kinds, lambda target: victims(pid, target))


def disturb(command, folder, kills, tally):
    """Run a command again and again, disturbed by kills, until it ends by itself; return all that it printed."""
    printed, failures = [], 0
    while True:
        done = interrupted(command, folder, kills.when(), deliver=kills.deliver)
        printed.append(done.stdout)
        if hit := kills.hit:
            stage = stage_named(done.stdout)
            tally.count(hit, stage)
            if done.seconds > LEFT_AFTER and done.returncode and hit != ("dvc", "SIGINT"):
                tally.faults.append(f"{hit} in {stage}: a process was left for {done.seconds:.1f} s")
            if "Traceback" in done.stdout and hit[0] != "worker":
                print(f"a traceback after {hit}:\n{done.stdout[-2000:]}", file=sys.stderr)
        if done.returncode == 0:
            return printed
        failures = 0 if kills.hit else failures + 1
        assert failures < 3, f"{command} does not run again:\n{done.stdout}"
        if not kills.hit:
            tally.repaired += "half written" in run("emnist repair", folder).stdout


def main():
    parser = kills_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="time after which no more are sent")
    options = parser.parse_args()
    tally = Tally(TARGETS)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = prepare(Path(folder) / "undisturbed")
        kills = Kills(options, time_stages(undisturbed), tally)
        expected = outputs(undisturbed)
        while tally.by_kind.total() < options.kills and time.monotonic() < kills.end:
            disturbed = prepare(Path(tempfile.mkdtemp(dir=folder)))
            command = ("dvc repro", "dvc exp run")[tally.runs % 2]
            tally.lost += repeated(disturb(command, disturbed, kills, tally))
            tally.compare(expected, outputs(disturbed))
            run(f"rm -rf {disturbed}", folder)
    tally.report()


if __name__ == "__main__":
    main()
