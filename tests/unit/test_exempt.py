"""What no stage depends on (emnist/cluster, emnist/utils, emnist/cli, emnist/params.py) decides no result."""

import ast
import copy
import importlib
import json
import sys
import typing
from contextlib import suppress
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
import torch
import yaml
from dvc.repo import Repo
from dvc_data.hashfile.build import build
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_helpers import REPOSITORY
from pydantic import BaseModel, ValidationError
from test_dag import EXEMPT, STAGES, code_of, imports
from test_training import AUGMENTATIONS, CPU, LABELS, PICTURES, STATISTICS, same

from emnist.models import build_model
from emnist.params import Params, Section, check_options, check_params, load_params
from emnist.sources import SOURCES, load_source
from emnist.training import loop
from emnist.training.augmentation import AUGMENTATIONS as ALL_AUGMENTATIONS
from emnist.training.augmentation import Elastic
from emnist.training.batches import ImageBatches
from emnist.training.losses import LOSSES
from emnist.training.optimizers import OPTIMIZERS
from emnist.utils.atomic import write_bytes
from emnist.utils.checkpoint import Checkpoint, files_below
from emnist.utils.errors import UserError

UTILS = sorted((REPOSITORY / "emnist/utils").rglob("*.py"))
VALUES = yaml.safe_load((REPOSITORY / "params.yaml").read_text())

# What utils may import of others: no arithmetic on results. The checkpoint needs safetensors, which copies bytes, and
# the workers joblib, which calls functions.
OTHERS = {"tqdm", "yaml"}
OTHERS_OF = {"checkpoint.py": {"safetensors"}, "workers.py": {"joblib"}}


def code_run_by_stages():
    """List the files that stages run, and what dvc.yaml lists for them, with what is exempt."""
    listed = {dep for stage in STAGES.values() for dep in stage["deps"] if dep.startswith(("emnist/", "stages/"))}
    new = {file for stage in STAGES for file in code_of(stage) if "$" not in file}
    for folder in (*listed, "emnist/architectures"):
        new |= {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / folder).rglob("*.py")}
    found = set()
    while new:
        found |= new
        new = {file for each in new for file in imports(each) if "$" not in file} - found
    return found


def imported_modules(path):
    """List the modules that a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_nothing_that_a_stage_runs_imports_the_command():
    assert [file for file in code_run_by_stages() if file.startswith("emnist/cli/")] == []


@pytest.mark.parametrize("path", UTILS, ids=lambda path: path.name)
def test_utils_import_only_the_standard_library_each_other_and_what_computes_nothing(path):
    own = {name for name in imported_modules(path) if name.split(".")[0] == "emnist"}
    others = {name.split(".")[0] for name in imported_modules(path)} - {"emnist"} - sys.stdlib_module_names
    assert all(name.startswith("emnist.utils.") for name in own)
    assert others <= OTHERS | OTHERS_OF.get(path.name, set())


@pytest.mark.parametrize("package", ["emnist", "stages"])
def test_the_packages_themselves_only_call_utils(package):
    documentation, imported, called, *lazy = ast.parse((REPOSITORY / package / "__init__.py").read_text()).body
    assert isinstance(documentation, ast.Expr)
    assert [each.name for each in lazy] == ["__getattr__"] * (package == "emnist")  # emnist.Reader, which no stage uses
    assert imported.module.startswith("emnist.utils.")
    assert ast.unparse(called) == f"{imported.names[0].name}()"


def test_stages_take_no_number_from_what_is_exempt():
    exempt = tuple(name.removesuffix("/").removesuffix(".py").replace("/", ".") for name in EXEMPT[:4])
    for file in code_run_by_stages():
        if file.startswith(EXEMPT):
            continue
        for node in ast.walk(ast.parse((REPOSITORY / file).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith(exempt):
                for alias in node.names:
                    value = getattr(importlib.import_module(node.module), alias.name)
                    assert not isinstance(value, (int, float, str, list, dict)), f"{file}: {alias.name}"


def leaves(values, place=()):
    if isinstance(values, dict | list):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in pairs:
            yield from leaves(value, (*place, key))
    else:
        yield place


def replaced(values, place, value):
    values = copy.deepcopy(values)
    section = values
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = value
    return values


def exact(values):
    """Write values so that all but 1 and 1.0 differ."""
    return json.dumps(json.loads(json.dumps(values), parse_int=float), sort_keys=True)


OTHER_VALUES = [
    150,
    2,
    0.5,
    None,
    True,
    False,
    "auto",
    "cpu",
    "bfloat16",
    "float32",
    "full",
    "original",
    "baseline",
    "initial",
]
OTHER_VALUES += [{}, VALUES["search"]["baseline"]["space"]]  # where params.yaml has null


def valid_changes(check, values):
    """Give the place of each change of one leaf that a check lets pass, all values then, and what the check gives."""
    for place in leaves(values):
        for value in OTHER_VALUES:
            changed = replaced(values, place, value)
            with suppress(ValidationError, UserError):
                yield place, changed, check(changed)


def test_params_are_what_params_yaml_says():
    assert exact(load_params(REPOSITORY / "params.yaml").model_dump(mode="json")) == exact(VALUES)


def test_params_are_what_params_yaml_says_with_any_other_valid_value(tmp_path):
    all_changed, places = VALUES, set()
    for place, changed, params in valid_changes(check_params, VALUES):
        assert exact(params.model_dump(mode="json")) == exact(changed), place
        if exact(changed) != exact(VALUES):
            all_changed = replaced(all_changed, place, reduce(getitem, place, changed))
            places.add(place)
    assert set(leaves(VALUES)) - places == set(), "OTHER_VALUES should hold a valid one for each of these"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(all_changed))
    assert exact(load_params(tmp_path / "params.yaml").model_dump(mode="json")) == exact(all_changed)


def options_by_name():
    """Give a place in params.yaml, a schema that a room has for it, and the options there."""
    for name in SOURCES:
        yield f"download.{name}", load_source(name).Options, VALUES["download"][name]
    for section, schemas in [("losses", LOSSES), ("optimizers", OPTIMIZERS), ("augmentation", ALL_AUGMENTATIONS)]:
        named = [name for name in schemas if VALUES[section][name] is not None]
        yield from ((f"{section}.{name}", schemas[name], VALUES[section][name]) for name in named)
    yield "augmentation.elastic", Elastic, {"displacement": 0.7, "sigma": 4}


@pytest.mark.parametrize("place, schema, options", [pytest.param(*case, id=case[0]) for case in options_by_name()])
def test_checked_options_are_what_params_yaml_says(place, schema, options):
    def check(values):
        return check_options(schema, values, place)

    changes = [(changed, checked) for _, changed, checked in valid_changes(check, options)]
    for values, checked in [(options, check(options)), *changes]:
        assert exact(checked.model_dump(mode="json", exclude_unset=True)) == exact(values)


def sections(annotation):
    """List the sections that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from sections(field.annotation)
    for part in typing.get_args(annotation):
        yield from sections(part)


class Plain(Section):
    """A section with nothing but a field."""

    field: int


@pytest.mark.parametrize("section", sorted({Section, *sections(Params)}, key=str), ids=lambda section: section.__name__)
def test_a_section_of_the_parameters_has_values_and_nothing_else(section):
    methods = set(vars(section)) - set(vars(Plain)) - {"__module__", "__doc__", "__weakref__"}
    assert methods <= ({"__getitem__"} if section is Section else set())
    assert all(field.is_required() for field in section.model_fields.values())  # params.yaml alone has the values
    assert section.__pydantic_decorators__ == Plain.__pydantic_decorators__


def train(checkpoint, quiet):
    torch.manual_seed(0)
    model = build_model("lenet")
    images = ImageBatches(PICTURES, LABELS, CPU, STATISTICS)
    history = loop.fit(
        "test",
        model,
        torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9),
        images,
        epochs=3,
        batch_size=32,
        augmentations=AUGMENTATIONS,
        clip_norm=1.0,
        seed=1,
        validation=images,
        checkpoint=checkpoint,
        quiet=quiet,
    )
    return model, history


def test_checkpoints_and_progress_change_no_bit_of_a_training(tmp_path, monkeypatch):
    real, history = train(Checkpoint("test-key", tmp_path), quiet=False)
    assert (tmp_path / "test-key/state").exists()
    monkeypatch.setattr(loop, "log", lambda line: None)
    monkeypatch.setattr(loop, "progress", lambda iterable, *arguments, **options: iterable)
    without, same_history = train(None, quiet=True)
    assert same(real, without) and history == same_history


@settings(deadline=None, derandomize=True, max_examples=30)
@given(chunks=st.lists(st.binary(max_size=100), max_size=5))
def test_files_hold_exactly_the_bytes_that_are_written(tmp_path_factory, chunks):
    path = tmp_path_factory.getbasetemp() / "file"
    write_bytes(path, *chunks)
    assert path.read_bytes() == b"".join(chunks)


LEFT_BEHIND = """__pycache__/code.cpython-312.pyc  deep/__pycache__/code.cpython-312.pyc  code.pyc  .code.py.swp  .code.py.swo
    .DS_Store  deep/.DS_Store  code.py~  .#code.py  #code.py#  code.py.orig  code.py.rej  .ipynb_checkpoints/code.py
    .pytest_cache/README.md  .ruff_cache/0/1  .mypy_cache/1  .idea/a.xml  .vscode/settings.json"""


def test_the_key_of_a_stage_covers_the_files_that_dvc_sees(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    (tmp_path / ".dvcignore").write_bytes((REPOSITORY / ".dvcignore").read_bytes())
    source = ["code.py", "deep/code.py", "deep/table.csv", ".hidden", "code.py.txt", "my code.py"]
    for name in [*source, *LEFT_BEHIND.split()]:
        path = tmp_path / "room" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with Repo() as repo:
        _, _, tree = build(
            repo.cache.local, str(tmp_path / "room"), repo.fs, "md5", ignore=repo.dvcignore, dry_run=True
        )
        seen = {"/".join(key) for key, _, _ in tree}
    assert {path.relative_to("room").as_posix() for path in files_below(Path("room"))} == seen == set(source)
