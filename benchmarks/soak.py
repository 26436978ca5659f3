"""Soak test: kill the pipeline at random moments, and compare every byte with an undisturbed run.

    python benchmarks/soak.py --kills 50

Each stage is killed equally often (SIGKILL, the whole process group): at a random moment of its run or, one time in
four, while DVC records its result. Exits with 1 if a byte differs, or if a kill lost more than one epoch or trial.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kill_helpers import differences, repeated, stage_named, until_done  # noqa: E402
from pipeline_helpers import checkout, commit, outputs, set_params  # noqa: E402

# Few images, but several epochs and trials, between which a kill can come.
PARAMS = {
    "compute.threads": 1,
    "search.workers": "auto",
    "download.sample.train": 600,
    "download.sample.test": 150,
    "split.small.train": 500,
    "split.small.test": 130,
    "search.small.trials": 4,
    "pretrain.small.epochs": 6,
    "finetune.small.epochs": 3,
    "transfer.epochs": 3,
}


def prepare(folder):
    """Make a checkout of the project with few images, and return its folder (pathlib.Path)."""
    checkout(folder)
    set_params(folder, **PARAMS)
    commit(folder, "Fewer images, more epochs")
    return folder


def time_stages(folder):
    """Run the pipeline undisturbed, and return the seconds of each stage (dict of str to float)."""
    starts = []
    for done in until_done("dvc repro", folder, lambda line: starts.append((stage_named(line), time.monotonic()))):
        assert done.returncode == 0, done.stdout
    starts = [start for start in starts if start[0]]
    ends = [moment for _, moment in starts[1:]] + [time.monotonic()]
    return {stage: end - start for (stage, start), end in zip(starts, ends)}


def random_moments(rng, seconds, kills, each):
    """Make a function that decides, line by line of the output, when the next kill comes.

    Parameters
    ----------
    rng : random.Random
    seconds : dict of str to float
        Duration of each stage.
    kills : collections.Counter
        Number of kills of each stage so far.
    each : int
        Number of kills wanted of each stage.

    Returns
    -------
    callable
        Maps a line to the seconds until the kill, or to None.
    """
    recording = False

    def when(line):
        nonlocal recording
        stage = stage_named(line)
        if stage:
            wanted = kills[stage] < each
            recording = wanted and rng.random() < 0.25
            return rng.uniform(0, seconds[stage]) if wanted and not recording else None
        if recording and line.startswith("Updating lock file"):
            recording = False
            return rng.uniform(0, 0.1)

    return when


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="minimum number of kills")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    kills, lost, different, compared, repaired = Counter(), [], [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = prepare(Path(folder) / "undisturbed")
        seconds = time_stages(undisturbed)
        expected = outputs(undisturbed)
        when = random_moments(random.Random(options.seed), seconds, kills, each=-(-options.kills // len(seconds)))
        while kills.total() < options.kills:
            disturbed = prepare(Path(tempfile.mkdtemp(dir=folder)))
            runs = []
            for done in until_done("dvc repro", disturbed, when):
                runs.append(done.stdout)
                if done.returncode == -signal.SIGKILL:
                    kills[stage_named(done.stdout)] += 1
                repaired += "half written" in done.stdout
            found = outputs(disturbed)
            compared += sum(map(len, found.values()))
            different += differences(expected, found)
            lost += repeated(runs)
            print(f"{kills.total()} kills, {compared:,} bytes compared, {len(different)} files differ", flush=True)

    print("\nkills by stage:", ", ".join(f"{stage} {count}" for stage, count in kills.items()))
    print(f"epochs and trials done twice: {sum(lost)}, at most {max(lost)} for one kill")
    print(f"times that DVC's own files had to be repaired: {repaired}")
    print("files that differ:", ", ".join(different) or "none")
    sys.exit(bool(different) or max(lost) > 1)


if __name__ == "__main__":
    main()
