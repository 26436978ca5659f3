"""Each recipe of CONTRIBUTING.md, carried out to the letter in a clone: the pipeline runs, and so do the tests."""

import re

import pytest
from pipeline_helpers import REPOSITORY, checkout, commit, metrics, run, set_params

from emnist.models import ARCHITECTURES

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
RECIPES = dict(re.findall(r"^### An? ([\w ]+): (.*?)(?=^###|\Z)", TEXT, re.MULTILINE | re.DOTALL))
FILES = {"architecture": 3, "metric": 2, "augmentation": 3, "optimizer": 3, "loss": 3, "source of images": 3}
# The tests of what recipes touch: each architecture, the dependencies of the stages, the parameters.
AFFECTED = ["tests/unit/test_dag.py", "tests/unit/test_models.py", "tests/unit/test_params.py"]
STEP = re.compile(
    r"^Add `(?P<new>[^`]+)` with:\n\n```\w+\n(?P<whole>.*?)^```$"
    r"|^In `(?P<file>[^`]+)`, (?:(?P<where>above|below) `(?P<anchor>[^`]+)`|at the end), add:\n\n```\w+\n(?P<more>.*?)^```$"
    r"|^In `(?P<changed>[^`]+)`, replace `(?P<old>[^`]+)` with `(?P<by>[^`]+)`\.$",
    re.MULTILINE | re.DOTALL,
)


def touched(recipe):
    """Name the files that a recipe adds or edits."""
    return {step["new"] or step["file"] or step["changed"] for step in STEP.finditer(recipe)}


def carry_out(recipe, folder):
    for step in STEP.finditer(recipe):
        name = step["new"] or step["file"] or step["changed"]
        path = folder / name
        if step["new"]:
            assert not path.exists()
            path.write_text(step["whole"])
            continue
        text = path.read_text()
        if step["changed"]:
            assert text.count(step["old"]) == 1, f"{name} should hold {step['old']!r} once"
            text = text.replace(step["old"], step["by"].replace("\\n", "\n"))
        elif step["anchor"]:
            (line,) = re.findall(rf"^{re.escape(step['anchor'])}.*\n", text, re.MULTILINE)
            added = step["more"] + line if step["where"] == "above" else line + step["more"]
            text = text.replace(line, added)
        else:
            text += step["more"]
        path.write_text(text)


def test_every_recipe_is_there_and_touches_no_more_files_than_it_says():
    assert RECIPES.keys() == FILES.keys()
    words = {2: "two files", 3: "three files"}
    for kind, recipe in RECIPES.items():
        assert len(touched(recipe)) == FILES[kind] and recipe.startswith(words[FILES[kind]])


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A clone in which all recipes have been carried out, one after the other."""
    folder = checkout(tmp_path_factory.mktemp("extended"), tests=True, tiny=False)
    for recipe in RECIPES.values():
        carry_out(recipe, folder)
    run("make format", folder)
    run("git add -A", folder)
    commit(folder, "Extensions")
    return folder


@pytest.mark.slow
def test_lint_and_the_tests_of_what_is_touched_pass_with_all_recipes_carried_out(extended):
    run("make lint", extended)
    tests = {name for recipe in RECIPES.values() for name in touched(recipe) if name.startswith("tests/")}
    assert len(tests) == len(RECIPES)
    others = " or ".join([*ARCHITECTURES, "torchvision", "damage"])  # which no recipe touches
    run(f"python -m pytest --numprocesses 0 -k 'not ({others})' {' '.join(sorted(tests) + AFFECTED)}", extended)


@pytest.mark.slow
def test_the_pipeline_runs_with_what_the_recipes_add(extended):
    set_params(
        extended,
        **{"model": "tinynet", "source": "stripes", "loss": "focal", "optimizer.finetune": "rmsprop"},
        **{"sizes.small.train": 1000, "sizes.small.test": 300, "sizes.small.trials": 2, "compute.workers": 1},
        **{"sizes.small.pretrain_epochs": 4, "sizes.small.finetune_epochs": 1, "transfer.epochs": 1},
    )
    run("dvc repro evaluate export transfer", extended)
    scores = metrics(extended)["evaluate"]["test"]
    assert 0 <= scores["balanced_accuracy"] <= 1
    assert metrics(extended)["split"]["source"] == "stripes"
