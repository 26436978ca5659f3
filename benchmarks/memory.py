"""Memory test: each stage runs under limits of its address space at which an allocation fails, and nothing is lost.

    python -m benchmarks.memory --limits 10 --seed 0

The limits are drawn at random between what a stage has when it begins its work and the most that it takes. Each must
end the stage in one sentence that says how much memory is missing and what to lower, or in the right outputs, and the
next run without a limit must end in the right bytes. Exits with 1 if one does not.
"""

import random
import re
import resource
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks import print_header, print_row
from benchmarks.faults import project_parser, tiny_project
from emnist.utils.errors import run_cli

SENTENCE = r"error: not enough memory: .*(bytes|iB|GB|MB).*lower .*params\.yaml.*\n"


def address_space(field):
    """Give a field of this process's memory, VmSize or VmPeak, in bytes."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def measure(project, stage):
    """Return how many bytes (int) a stage takes beyond what it has when it begins."""
    taken, before = project.folder.parent / "taken", []
    project.start(
        stage,
        before=lambda: before.append(address_space("VmSize")),
        after=lambda: taken.write_text(str(address_space("VmPeak") - before[0])),
    )
    return int(taken.read_text())


def limit_memory(more):
    """Let this process take so many bytes more (int)."""
    resource.setrlimit(resource.RLIMIT_AS, (address_space("VmSize") + more, resource.RLIM_INFINITY))


def main():
    parser = project_parser(__doc__)
    parser.add_argument("--limits", type=int, default=10, help="number of limits for each stage")
    options = parser.parse_args()

    harms = 0
    columns = ("one sentence", "success", "another end", "harm")
    with tiny_project(options) as project:
        print_header("stage", "takes", "limits", *columns, "seconds")
        for stage in options.stages:
            rng, began, outcomes = random.Random(f"{options.seed} {stage}"), time.monotonic(), Counter()
            project.reset(stage)
            most = measure(project, stage)
            for _ in range(options.limits):
                limit = int(rng.random() * most)
                project.reset(stage)
                ended = project.start(stage, before=lambda limit=limit: limit_memory(limit))
                success = ended.returncode == 0 and not ended.errors
                one_sentence = ended.returncode == 1 and re.fullmatch(SENTENCE, ended.errors)
                outcomes["success" if success else "one sentence" if one_sentence else "another end"] += 1
                found = None if success or one_sentence else f"exit code {ended.returncode}, not one sentence"
                if found := project.harm_to_next_run(stage) or found:
                    harms += 1
                    outcomes["harm"] += 1
                    print(f"{stage}, {limit / 1e6:.1f} MB: {found}\n{ended.errors}", file=sys.stderr, flush=True)
            counts = [outcomes[column] for column in columns]
            print_row(stage, f"{most / 1e6:.0f} MB", options.limits, *counts, f"{time.monotonic() - began:.0f}")
    sys.exit(bool(harms))


if __name__ == "__main__":
    run_cli(main)
