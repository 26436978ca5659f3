"""Experiments with real DVC: what they re-run, and each command of the README that compares them."""

import json
import re

import pytest
from project import outputs, run

from emnist.models import ARCHITECTURES

DEPENDS_ON_THE_MODEL = {"search", "pretrain", "finetune", "evaluate", "transfer_train", "transfer", "plots"}
LATER = {"transfer_train", "transfer", "plots"}


def stages_run(output):
    return set(re.findall(r"Running stage '(\w+)'", output))


def shape(value):
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else None


def test_every_architecture_runs_through_the_stages_that_depend_on_it_and_all_compare(pipeline):
    """Each command of the README on experiments and their comparison."""
    shapes = []
    for model in ARCHITECTURES:
        if model != "lenet":  # which has run already
            # After so few steps EnsNet's features are such that its eleven new heads diverge at the transfer's rate.
            last, left_out = ("evaluate", LATER) if model == "ensnet" else ("", set())
            said = run(f"dvc exp run -n {model}-run -S model={model} {last}", pipeline).stdout
            assert stages_run(said) == DEPENDS_ON_THE_MODEL - left_out | {"check"}
        files = {name: json.loads((pipeline / f"metrics/{name}.json").read_text())
                 for name in ("search", "pretrain", "finetune", "evaluate", "transfer")}
        shapes.append(shape(files))
    assert all(other == shapes[0] for other in shapes)

    shown = run("dvc exp show --csv --only-changed", pipeline).stdout
    assert all(f"{model}-run" in shown for model in ARCHITECTURES if model != "lenet")
    assert "test.accuracy" in run("dvc metrics diff main ensnet-run", pipeline).stdout
    assert "spinalnet" in run("dvc params diff main spinalnet-run", pipeline).stdout
    assert "file://" in run("dvc plots diff main spinalnet-run", pipeline).stdout
    assert "bymerge_accuracy" in run("dvc metrics show", pipeline).stdout


def test_a_change_of_another_architectures_code_re_runs_nothing(pipeline):
    with open(pipeline / "emnist/models/ensnet.py", "a") as file:
        file.write("\n# another thought\n")
    assert "Data and pipelines are up to date." in run("dvc repro", pipeline).stdout


def test_a_change_of_this_architectures_code_re_runs_its_stages(pipeline):
    with open(pipeline / "emnist/models/lenet.py", "a") as file:
        file.write("\n# another thought\n")
    # Up to the first of them; the test above runs them all.
    assert stages_run(run("dvc repro search", pipeline).stdout) == {"search"}


@pytest.mark.parametrize("setting, sentence", [
    ("model=spinalnt", "did you mean spinalnet?"),
    ("finetune.batch_size=many", "finetune.batch_size"),
    ("split.small.train=801", "asks for 801 train images, but the source has 800"),
])
def test_a_wrong_parameter_ends_in_one_sentence_and_keeps_the_results(pipeline, setting, sentence):
    before = {name: content for name, content in outputs(pipeline).items() if name.startswith("data/weights")}
    done = run(f"dvc exp run -S {setting}", pipeline, check=False)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert sentence in done.stdout
    after = outputs(pipeline)
    assert all(after[name] == content for name, content in before.items())


