"""Memory test: each stage runs under limits of its address space at which an allocation fails, and nothing is lost.

    python -m benchmarks.memory --limits 10 --seed 0

The limits are drawn at random between what a stage has when it begins its work and the most that it takes. Each must
end the stage in one sentence that says how much memory is missing and what to lower, or in the right outputs, and the
next run without a limit must end in the right bytes. Exits with 1 if one does not.
"""

import argparse
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from pipeline_helpers import checkout, run  # noqa: E402

from benchmarks.faults import Project, import_all  # noqa: E402

SENTENCE = r"error: not enough memory: .*(bytes|iB|GB|MB).*lower .*params\.yaml.*\n"


def address_space(field):
    """Give a field of this process's memory, VmSize or VmPeak, in bytes."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def limited(limit):
    """Make a function that lets this process take so many bytes more (int), or None to say how many it took."""

    def before():
        size = address_space("VmSize")
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_AS, (size + limit, resource.RLIM_INFINITY))
        return size

    return before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=lambda text: text.split(","), help="all by default, as in split,search")
    parser.add_argument("--limits", type=int, default=10, help="number of limits for each stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--project", type=Path, help="folder of a tiny project that has run; it is copied")
    options = parser.parse_args()

    os.environ |= {"LOKY_MAX_CPU_COUNT": "1", "OMP_NUM_THREADS": "1"}  # no worker processes
    harms = 0
    print("| stage | takes | limits | one sentence | success | killed | harm | seconds |\n|" + " --- |" * 8)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).resolve() / "project"
        if options.project:
            shutil.copytree(options.project, folder, symlinks=True)
        else:
            folder.mkdir()
            run("dvc repro", checkout(folder))
        project = Project(folder)
        stages = options.stages or list(project.stages)
        import_all(project, stages)
        for stage in stages:
            rng, began, outcomes = random.Random(f"{options.seed} {stage}"), time.monotonic(), Counter()
            project.reset(stage)
            taken = folder.parent / "taken"

            def measure():
                taken.write_text(str(address_space("VmPeak") - size[0]))

            size = [0]
            project.start(stage, before=lambda: size.__setitem__(0, limited(None)()), after=measure)
            most = int(taken.read_text())
            for _ in range(options.limits):
                limit = int(rng.random() * most)
                project.reset(stage)
                ended = project.start(stage, before=limited(limit))
                found = None
                if ended.returncode == 0 and not ended.errors:
                    outcomes["success"] += 1
                elif ended.returncode == 1 and re.fullmatch(SENTENCE, ended.errors):
                    outcomes["one sentence"] += 1
                elif ended.returncode < 0:
                    outcomes["killed"] += 1
                    found = f"ended by signal {-ended.returncode}"
                else:
                    found = "not one sentence"
                again = project.start(stage)
                if again.returncode or again.errors or project.results() != project.expected:
                    found = f"the next run failed or gave other bytes: {again.errors}"
                if found:
                    harms += 1
                    outcomes["harm"] += 1
                    print(f"{stage}, {limit / 1e6:.1f} MB: {found}\n{ended.errors}", file=sys.stderr, flush=True)
            counts = [outcomes[column] for column in ("one sentence", "success", "killed", "harm")]
            row = [stage, f"{most / 1e6:.0f} MB", options.limits, *counts, f"{time.monotonic() - began:.0f}"]
            print(f"| {' | '.join(map(str, row))} |", flush=True)
    sys.exit(bool(harms))


if __name__ == "__main__":
    main()
