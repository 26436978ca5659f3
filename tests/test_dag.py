"""dvc.yaml declares what the stages read, and keeps test images away from all that learns."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

REPOSITORY = Path(__file__).parents[1]
STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]

# A change of these cannot change a result: messages, progress, continuing, checks, and the list of names.
WITHOUT_EFFECT = {"emnist/__init__.py", "emnist/errors.py", "emnist/progress.py", "emnist/checkpoint.py",
                  "emnist/params.py", "emnist/models/__init__.py", "emnist/sources/__init__.py"}


def outputs(stage):
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in STAGES[stage].get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def upstream(stage):
    """Name the stages that `stage` depends on, at any distance."""
    direct = {name for name in STAGES if outputs(name) & set(STAGES[stage]["deps"])}
    return direct.union(*(upstream(name) for name in direct))


def imports(path):
    """List the project's files that a file imports, at any distance."""
    found = set()
    for node in ast.walk(ast.parse((REPOSITORY / path).read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            base = name.replace(".", "/")
            found |= {file for file in (f"{base}.py", f"{base}/__init__.py") if (REPOSITORY / file).exists()}
    return found.union(*(imports(file) for file in found))


def is_test_image(path):
    return path.startswith("data/raw/") and ("test-images" in path or "t10k-images" in path)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_code_it_imports(stage):
    declared = {path for path in STAGES[stage]["deps"] if path.endswith(".py")}
    used = {f"stages/{stage}.py"} | imports(f"stages/{stage}.py")
    if "emnist/models/__init__.py" in used and stage not in ("check", "download", "split", "plots"):
        used |= {"emnist/models/${model}.py", "emnist/models/init.py"}
    assert declared - WITHOUT_EFFECT == used - WITHOUT_EFFECT


@pytest.mark.parametrize("stage", [stage for stage in STAGES if "params.yaml" not in STAGES[stage]["deps"]])
def test_a_stage_declares_the_parameters_it_reads(stage):
    files = [f"stages/{stage}.py"] + ["emnist/search.py"] * (stage == "search")
    text = "".join((REPOSITORY / file).read_text() for file in files)
    text = text.replace("params.search_space", 'params.by_recipe("search")')
    used = {f"{section}.${{size}}" for section in re.findall(r'params\.sized\("(\w+)"\)', text)}
    used |= {f"{section}.${{recipe}}" for section in re.findall(r'params\.by_recipe\("(\w+)"\)', text)}
    used |= set(re.findall(r"(?<!emnist\.)\bparams\.(?!sized|by_recipe|yaml)([a-z_]+(?:\.[a-z_]+)?)", text))
    declared = set(STAGES[stage].get("params", []))
    undeclared = {name for name in used if not any(
        name == other or name.startswith(f"{other}.") or other.startswith(f"{name}.") for other in declared)}
    assert undeclared <= {"search.workers"}  # any number of workers gives the same result


def test_no_stage_that_evaluate_depends_on_reads_a_test_image():
    assert {"split", "search", "pretrain", "finetune"} <= upstream("evaluate")
    for stage in upstream("evaluate"):
        assert not any(map(is_test_image, STAGES[stage]["deps"])), stage


def test_only_what_scores_and_draws_reads_test_images():
    readers = {stage for stage in STAGES if any(map(is_test_image, STAGES[stage]["deps"]))}
    assert readers == {"evaluate", "transfer", "plots"}


def test_nothing_that_trains_depends_on_what_came_of_test_images():
    for stage in ("search", "pretrain", "finetune", "transfer_train"):
        assert not upstream(stage) & {"evaluate", "transfer", "plots"}


def test_raw_files_are_outputs_of_their_own():
    # Were the folder one output, each stage that reads a training file would depend on the test files too.
    assert all(path.endswith(".gz") for path in outputs("download"))


def test_only_the_stages_that_use_the_model_depend_on_its_code():
    dependents = {stage for stage in STAGES if "emnist/models/${model}.py" in STAGES[stage]["deps"]}
    assert dependents == {"search", "pretrain", "finetune", "evaluate", "transfer_train", "transfer"}


def test_every_output_is_written_once_and_lies_in_its_folder():
    written = [path for stage in STAGES for path in outputs(stage)]
    assert len(written) == len(set(written))
    assert all(path.startswith(("data/", "metrics/", "plots/")) for path in written)


def test_dvc_keeps_the_results_of_training_in_its_run_cache():
    # It keeps none of a stage with an uncached output that is neither metric nor plot; a killed queued experiment, or
    # a lost dvc.lock, then costs the training.
    for stage in ("search", "pretrain", "finetune", "transfer_train"):
        assert all(isinstance(output, str) for output in STAGES[stage]["outs"])


def test_stages_import_from_the_package_and_never_from_each_other():
    for file in (REPOSITORY / "stages").glob("*.py"):
        assert not any(name.startswith("stages/") for name in imports(f"stages/{file.name}"))
    for file in (REPOSITORY / "emnist").rglob("*.py"):
        assert not any(name.startswith("stages/") for name in imports(str(file.relative_to(REPOSITORY))))


def test_dvcs_model_registry_knows_the_model_with_its_labels_and_metrics():
    with Repo(REPOSITORY) as repo:
        model = repo.artifacts.read()["dvc.yaml"]["emnist-byclass"]
    assert model.type == "model" and model.path in outputs("finetune")
    assert set(yaml.safe_load((REPOSITORY / "params.yaml").read_text())[name] for name in ("model", "source")) <= set(model.labels)
    assert set(model.meta.values()) <= outputs("evaluate")
