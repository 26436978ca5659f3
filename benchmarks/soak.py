"""Soak test: kill the pipeline at random moments, and compare every byte with an undisturbed run.

    python benchmarks/soak.py --kills 1000

Each stage gets equally many signals, and so does each kind of kill: one of SIGKILL, SIGTERM, SIGINT, SIGHUP, and SIGSTOP
followed by SIGKILL, to the whole process group, to DVC alone, to the stage alone or to one of its workers alone. It comes
at a random moment of the stage or, one time in four, while DVC records its result. Then the same command runs again.
Every other pipeline runs as `dvc exp run`. Exits with 1 if a byte differs, if a kill lost more than one epoch or trial, or
if a process was left after five seconds. SIGINT to DVC alone is not counted there: DVC ignores it while a stage runs.
"""

import argparse
import itertools
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kill_helpers import differences, interrupted, repeated, send_signal, stage_named, victims  # noqa: E402
from pipeline_helpers import checkout, commit, outputs, run, set_params  # noqa: E402

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
SIGNALS = {
    "SIGKILL": [signal.SIGKILL],
    "SIGTERM": [signal.SIGTERM],
    "SIGINT": [signal.SIGINT],
    "SIGHUP": [signal.SIGHUP],
    "SIGSTOP, SIGKILL": [signal.SIGSTOP, signal.SIGKILL],
}
LEFT_AFTER = 5  # seconds
WITH_WORKERS = ("download", "search")


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


def send_next(kinds, find, tries=100):
    """Send the next kill of `kinds` for whose target there is a process now.

    Parameters
    ----------
    kinds : iterator
        As from `shuffled_kinds`.
    find : callable
        Returns the numbers of a target's processes.
    tries : int
        Kinds to look at; more than there are, so that each has its turn.

    Returns
    -------
    (str, str) or None
        The target and the key of `SIGNALS`.
    """
    for target, name in itertools.islice(kinds, tries):
        if find(target):
            send_signal(lambda: find(target), SIGNALS[name])
            return target, name


def print_kills(by_kind, by_stage, lost, targets):
    """Print how many kills there were of each kind and in each stage, and what they cost."""
    print(f"\n| kills by signal | {' | '.join(targets)} |\n| --- |{' --- |' * len(targets)}")
    for name in SIGNALS:
        print(f"| {name} | {' | '.join(str(by_kind[target, name]) for target in targets)} |")
    print("\nkills by stage:", ", ".join(f"{stage} {count}" for stage, count in by_stage.items()))
    print(f"epochs and trials done twice: {sum(lost)}, at most {max(lost)} for one kill")


class Kills:
    """Decides when the next kill comes and what it is, and counts them."""

    def __init__(self, seed, seconds, wanted, end):
        self.rng, self.seconds, self.each = random.Random(seed), seconds, -(-wanted // len(seconds))
        self.end = end
        self.by_stage, self.by_kind, self.hit = Counter(), Counter(), None
        self.kinds = shuffled_kinds(self.rng, TARGETS)

    def when(self):
        """Make a function that maps each line of a run's output to the seconds until its kill, or to None."""
        self.hit, recording = None, False

        def of_line(line):
            nonlocal recording
            if stage := stage_named(line):
                wanted = self.by_stage[stage] < self.each and self.rng.random() < 0.7 and time.monotonic() < self.end
                recording = wanted and self.rng.random() < 0.25
                return self.rng.uniform(0, self.seconds[stage]) if wanted and not recording else None
            if recording and line.startswith("Updating lock file"):
                recording = False
                return self.rng.uniform(0, 0.1)

        return of_line

    def deliver(self, pid):
        """Send the next kill for which there is a process now."""
        self.hit = send_next(self.kinds, lambda target: victims(pid, target))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="minimum number of kills")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="time after which no more are sent")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    end = time.monotonic() + 60 * options.minutes
    lost, different, slow = [0], [], []
    compared = repaired = pipelines = 0
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = prepare(Path(folder) / "undisturbed")
        seconds = time_stages(undisturbed)
        expected = outputs(undisturbed)
        kills = Kills(options.seed, seconds, options.kills, end)
        while kills.by_stage.total() < options.kills and time.monotonic() < end:
            disturbed = prepare(Path(tempfile.mkdtemp(dir=folder)))
            command = ("dvc repro", "dvc exp run")[pipelines % 2]
            runs, failures = [], 0
            while True:
                done = interrupted(command, disturbed, kills.when(), deliver=kills.deliver)
                runs.append(done.stdout)
                if kills.hit:
                    kills.by_stage[stage_named(done.stdout)] += 1
                    kills.by_kind[kills.hit] += 1
                    if done.seconds > LEFT_AFTER and done.returncode and kills.hit != ("dvc", "SIGINT"):
                        slow.append((*kills.hit, stage_named(done.stdout), round(done.seconds, 1)))
                        print(f"ended slowly: {slow[-1]}", file=sys.stderr)
                if re.search("Traceback", done.stdout) and kills.hit and kills.hit[0] != "worker":
                    print(f"a traceback after {kills.hit}:\n{done.stdout[-2000:]}", file=sys.stderr)
                if done.returncode == 0:
                    break
                failures = 0 if kills.hit else failures + 1
                assert failures < 3, f"{command} does not run again:\n{done.stdout}"
                if not kills.hit:
                    repaired += "half written" in run("emnist repair", disturbed).stdout
            found = outputs(disturbed)
            compared += sum(map(len, found.values()))
            different += differences(expected, found)
            lost += repeated(runs)
            pipelines += 1
            print(
                f"{kills.by_stage.total()} kills, {pipelines} pipelines, {compared:,} bytes compared, "
                f"{len(different)} files differ, at most {max(lost)} epochs or trials lost, {len(slow)} slow ends",
                flush=True,
            )
            run(f"rm -rf {disturbed}", folder)

    print_kills(kills.by_kind, kills.by_stage, lost, TARGETS)
    print(f"times that DVC's own files had to be repaired: {repaired}")
    print(f"processes left after {LEFT_AFTER} s: {slow or 'none'}")
    print("files that differ:", ", ".join(different) or "none")
    sys.exit(bool(different) or max(lost) > 1 or bool(slow))


if __name__ == "__main__":
    main()
