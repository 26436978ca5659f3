"""The README's commands, run as they stand there in one shell, on the tiny pipeline."""

import csv
import re

import pytest
from PIL import Image
from pipeline_helpers import REPOSITORY, run, stages_run
from test_experiments import DEPENDS_ON_THE_MODEL

README = (REPOSITORY / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
ELSEWHERE = {  # what runs the commands that are too long for here, or need a network
    "make repro": "conftest.finished_pipeline",
    "make test": "whoever runs this",
    "emnist compare": "test_compare.py",
    "python benchmarks/soak.py": "test_crash.py, with fewer kills",
    "python -m benchmarks.fuzz": "test_hostile.py, with fewer files",
    "python -m benchmarks.speed": "a benchmark",
    "dvc exp run -S source=emnist": "test_pipeline.py, with an archive from a server on loopback",
}


def commands(block):
    lines = [line.split("   #")[0].split("  #")[0].strip() for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


HERE = [[line for line in commands(block) if not line.startswith(tuple(ELSEWHERE))] for block in BLOCKS]


@pytest.mark.parametrize("lines", [lines for lines in HERE if lines], ids=lambda lines: lines[0])
def test_the_commands_of_a_block_run_one_after_the_other(pipeline, lines):
    for name in ("photo.png", "scan.jpg"):
        picture = Image.new("L", (60, 90), 255)
        picture.paste(0, (25, 10, 33, 80))
        picture.save(pipeline / name)
    (pipeline / "block.sh").write_text("\n".join(["set -euo pipefail", *lines]))
    said = run("bash block.sh", pipeline).stdout  # all of it: the queue's workers, too, write to it until they end
    assert "ERROR" not in said and "error:" not in said, said
    if "dvc exp run -n spinalnet -S model=spinalnet" in lines:
        first = said.split("dvc exp run")[0].split("Ran experiment(s): spinalnet")[0]
        assert stages_run(first) == {"check", *DEPENDS_ON_THE_MODEL}
        assert "test.accuracy" in said and "file://" in said
        shown = list(csv.DictReader(run("dvc exp show --csv", pipeline).stdout.splitlines()))
        assert "spinalnet" in {row["Experiment"] for row in shown}
        assert {"spinalnet", "lenet", "resnet"} <= {row["model"] for row in shown if row["Experiment"]}
        assert run("dvc queue status", pipeline).stdout.count("Success") == 2
        assert "spinalnet" in run("dvc params diff main spinalnet", pipeline).stdout
        assert "bymerge_accuracy" in run("dvc metrics show", pipeline).stdout


def test_every_command_that_is_run_elsewhere_is_in_the_readme():
    found = [line for block in BLOCKS for line in commands(block)]
    assert [command for command in ELSEWHERE if not any(line.startswith(command) for line in found)] == []


def test_the_readme_shows_the_comparison_as_it_was_made():
    made = (REPOSITORY / "plots/comparison/table.md").read_text().splitlines()[2:]
    assert [line for line in made if line not in README.splitlines()] == []
