"""dvc.yaml declares what the stages read, and keeps test images away from all that learns."""

import ast
import copy
import re
import sys
from contextlib import suppress
from functools import cache, reduce
from itertools import accumulate, pairwise, product

import pytest
import yaml
from dvc.repo import Repo
from pipeline_helpers import REPOSITORY, own_params

from emnist.models import ARCHITECTURES
from emnist.params import check_params
from emnist.training import recipe
from emnist.utils.errors import UserError

STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
for _stage in STAGES.values():  # either may be the value of the parameter transfer.weights
    if "data/weights/${transfer.weights}.safetensors" in _stage["deps"]:
        _stage["deps"] += ["data/weights/finetune.safetensors", "data/weights/initial.safetensors"]

# A change of these cannot change a result. The last test of this file says what emnist/utils may import.
EXEMPT = (
    "emnist/cluster/",
    "emnist/utils/",
    "emnist/cli/",
    "emnist/params.py",
    "emnist/__init__.py",
    "stages/__init__.py",
    "stages/_process.py",
)


def outputs(stage):
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in STAGES[stage].get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def upstream(stage):
    """Name the stages that `stage` depends on, at any distance."""
    direct = {name for name in STAGES if outputs(name) & set(STAGES[stage]["deps"])}
    return direct.union(*(upstream(name) for name in direct))


def imported_names(path):
    """List the modules, and the names in them, that a file imports, in functions too."""
    for node in ast.walk(ast.parse((REPOSITORY / path).read_text())):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield from (prefix + alias.name for alias in node.names)


@cache
def imports(path):
    """List the project's files that a file imports itself, with the `__init__.py` of each package on the way."""
    found = set()
    for name in imported_names(path):
        for base in accumulate(name.split("."), "{}/{}".format):
            found |= {file for file in (f"{base}.py", f"{base}/__init__.py") if (REPOSITORY / file).is_file()}
    if path == "emnist/models/__init__.py":  # which imports an architecture by its name
        found.add("emnist/architectures/${model}.py")
    if path == "emnist/sources/__init__.py":  # which imports a source by its name
        found |= {str(file.relative_to(REPOSITORY)) for file in (REPOSITORY / "emnist/sources").glob("*.py")}
    return found


def code_of(stage):
    """List the files that decide what a stage writes: its script and all that it imports, at any distance."""
    found, new = set(), {f"stages/{stage}.py"}
    while new:
        found |= new
        followed = {file for file in new if "$" not in file}
        followed |= {f"emnist/architectures/{name}.py" for name in ARCHITECTURES if len(followed) < len(new)}
        new = {file for each in followed for file in imports(each) if not file.startswith(EXEMPT)} - found
    return {file for file in found if "$" in file or ast.parse((REPOSITORY / file).read_text()).body}


def is_test_image(path):
    return path.startswith("data/raw/") and ("test-images" in path or "t10k-images" in path)


def lacking(stage, deps):
    """Say which files a stage's result depends on and its dependencies leave out."""
    return [
        f"stage {stage} runs {file}, but dvc.yaml does not list it, nor a folder that holds it, under its deps"
        for file in sorted(code_of(stage))
        if not any(file == dep or file.startswith(f"{dep}/") for dep in deps)
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_decides_its_result(stage):
    assert lacking(stage, STAGES[stage]["deps"]) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_use(stage):
    used = code_of(stage)
    if stage == "check":  # which applies the schema, made of the components that there are
        used |= {"emnist/params.py", *imports("emnist/params.py")}
    if stage in ("check", "initialise"):  # which read the networks in this folder
        used.add("emnist/pretrained")
    if stage == "download":
        used.add("emnist/pretrained/lenet.onnx")
    for dep in STAGES[stage]["deps"]:
        if dep.startswith(("emnist/", "stages/")):
            assert any(file == dep or file.startswith(f"{dep}/") for file in used), f"{stage} does not use {dep}"


def dotted(node):
    """Write an expression such as ``params.sizes[params.size].test`` as dvc.yaml does: ``sizes.${size}.test``."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Subscript):
        return f"{dotted(node.value)}.${{{dotted(node.slice).removeprefix('params.')}}}"
    return ast.unparse(node)


def is_declared(stage, name):
    """Tell whether a stage declares a parameter (str), the section that holds it, or a part of it."""
    declared = STAGES[stage].get("params", [])
    return any(name == other or name.startswith(f"{other}.") or other.startswith(f"{name}.") for other in declared)


# check and download depend on params.yaml, or on a part of it.
@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"check", "download"}))
def test_a_stage_declares_the_parameters_it_uses_itself(stage):
    tree = ast.parse((REPOSITORY / f"stages/{stage}.py").read_text())
    inner = {
        id(child) for node in ast.walk(tree) if isinstance(node, ast.Attribute) for child in ast.iter_child_nodes(node)
    }
    used = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and id(node) not in inner}
    used = {name.removeprefix("params.") for name in used if name.startswith("params.")}
    # Any number of workers gives the same result; size is in the names of what is declared.
    undeclared = {name for name in used if not is_declared(stage, name.removesuffix(".model_copy"))}
    assert undeclared <= {"compute.workers", "compute", "size"}


def leaves(value, name=""):
    """List the dotted names of all values of params.yaml."""
    if not isinstance(value, dict) or not value:
        return [name]
    return [leaf for key, each in value.items() for leaf in leaves(each, f"{name}.{key}".lstrip("."))]


def with_another(values, name):
    """Copy the parameters with one value replaced, or return None if no other value is valid."""
    *sections, last = name.split(".")
    for other in (0.5, 7, "adamw", "cosine", "constant", [0.5], [7], {}, {"displacement": 1.0, "sigma": 2.0}, None):
        changed = copy.deepcopy(values)
        section = reduce(dict.__getitem__, sections, changed)
        if section[last] != other:
            section[last] = other
            with suppress(UserError):
                return check_params(changed)


def recipes_of(stage, params):
    config = {name: values[0] for name, values in recipe.search_space(params).items()}
    return {
        "search": lambda: (recipe.search_space(params), recipe.trial_recipe(params, config)),
        "pretrain": lambda: recipe.pretrain_recipe(params, {name: SEARCHED[name] for name in config}),
        "finetune": lambda: recipe.finetune_recipe(params),
        "transfer": lambda: recipe.transfer_recipe(params),
        "plots": lambda: recipe.augmentations(params),
    }[stage]()


SEARCHED = {"learning_rate": 0.1, "batch_size": 32, "momentum": 0.9, "weight_decay": 0.0}


@pytest.mark.parametrize("stage", ["search", "pretrain", "finetune", "transfer", "plots"])
def test_a_stage_declares_the_parameters_that_its_recipe_is_made_of(stage):
    values = own_params()
    usual = recipes_of(stage, check_params(values))
    for chosen in ("model", "size", "recipe", "loss"):  # are in the names of what is declared
        STAGES[stage]["params"] = [
            name.replace(f"${{{chosen}}}", values[chosen]) for name in STAGES[stage].get("params", [])
        ]
    for phase, name in values["optimizer"].items():
        STAGES[stage]["params"] = [each.replace(f"${{optimizer.{phase}}}", name) for each in STAGES[stage]["params"]]
    changing = [
        name
        for name in leaves({key: values[key] for key in values if key != "download"})
        if (changed := with_another(values, name)) and recipes_of(stage, changed) != usual
    ]
    assert changing and [name for name in changing if not is_declared(stage, name)] == []


def test_only_what_scores_and_draws_uses_test_images_and_no_score_depends_on_it():
    users = {stage for stage in STAGES if any(map(is_test_image, STAGES[stage]["deps"]))}
    assert users == {"evaluate", "transfer", "plots"}
    assert {"split", "search", "pretrain", "finetune", "export"} <= upstream("evaluate")
    assert not users & (upstream("evaluate") | upstream("transfer"))


def test_the_readme_draws_exactly_the_edges_of_the_dag():
    drawn = set()
    chart = re.search(r"```mermaid\nflowchart LR\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)[1]
    for line in chart.splitlines():
        groups = [nodes.strip().split(" & ") for nodes in re.split(r" (?:-- [\w ]+ )?--> ", line)]
        drawn |= {edge for pair in pairwise(groups) for edge in product(*pair)}
    made_by = {path: stage for stage in STAGES for path in outputs(stage)}
    edges = {(made_by[dep], stage) for stage in STAGES for dep in STAGES[stage]["deps"] if dep in made_by}
    assert drawn == edges


def test_dvc_keeps_the_results_of_each_stage_in_its_run_cache():
    # It keeps none of a stage with an uncached output that is neither metric nor plot.
    assert all(isinstance(output, str) for stage in STAGES.values() for output in stage.get("outs", []))


def test_stages_import_from_the_package_and_never_from_each_other():
    for file in [*(REPOSITORY / "stages").glob("*.py"), *(REPOSITORY / "emnist").rglob("*.py")]:
        shared = {"stages/__init__.py", "stages/_process.py"} if file.parent.name == "stages" else set()
        assert not any(name.startswith("stages/") for name in imports(str(file.relative_to(REPOSITORY))) - shared)


def test_dvcs_model_registry_knows_each_model_with_its_labels_and_metrics():
    with Repo(REPOSITORY) as repo:
        models = repo.artifacts.read()["dvc.yaml"]
    assert {name: model.path for name, model in models.items()} == {
        "emnist-byclass": "data/weights/finetune.safetensors",
        "emnist-byclass-onnx": "data/model/emnist.onnx",
        "emnist-byclass-int8": "data/model/emnist-int8.onnx",
    }
    params = own_params()
    for model in models.values():
        assert model.type == "model" and any(model.path in outputs(stage) for stage in STAGES)
        assert params["model"] in model.labels and model.meta.pop("source") == params["source"]
        assert set(model.meta.values()) <= outputs("evaluate")


UTILS = sorted((REPOSITORY / "emnist/utils").rglob("*.py"))

# What utils may import of others does no arithmetic on results: safetensors copies bytes, joblib calls functions.
OTHERS = {"filelock", "joblib", "pathspec", "psutil", "pydantic", "safetensors", "tqdm", "yaml"}


@pytest.mark.parametrize("path", UTILS, ids=lambda path: path.name)
def test_utils_import_only_the_standard_library_each_other_and_what_computes_nothing(path):
    own = {name for name in imported_names(path) if name.split(".")[0] == "emnist"}
    others = {name.split(".")[0] for name in imported_names(path)} - {"emnist"} - sys.stdlib_module_names
    assert all(name.startswith("emnist.utils.") for name in own) and others <= OTHERS
