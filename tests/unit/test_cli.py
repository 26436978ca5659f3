"""The command `emnist`: what its help shows, and what it answers to a wrong name."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline_helpers import REPOSITORY

from emnist.cli import COMMANDS, summary
from emnist.data.files import write_json
from emnist.models import ARCHITECTURES
from emnist.utils.errors import UserError

HEAVY = ["dvc", "matplotlib", "numpy", "pandas", "pydantic", "scipy", "torch", "yaml"]


def emnist(*arguments, command=(sys.executable, "-m", "emnist")):
    return subprocess.run([*command, *arguments], capture_output=True, text=True)


def test_the_help_lists_each_command_with_what_it_does():
    done = emnist("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name, purpose in COMMANDS.items():
        assert any(line.split() == [name, *purpose.split()] for line in done.stdout.splitlines())


LISTING = f"""import atexit, sys
atexit.register(lambda: print('imported:', set({HEAVY}) & set(sys.modules) or 'nothing'))
from emnist.__main__ import emnist
emnist()"""


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_says_what_a_command_does_with_an_example_and_imports_nothing_that_is_slow_to_import(name):
    done = emnist(*filter(None, [name]), "--help", command=(sys.executable, "-c", LISTING))
    assert done.returncode == 0 and done.stdout.endswith("imported: nothing\n")
    if name:
        said = " ".join(done.stdout.split())
        assert said.startswith(f"usage: emnist {name} ") and COMMANDS[name] in said
        assert f"example: emnist {name}" in said


def test_the_help_of_the_comparison_says_how_many_runs_it_makes():
    said = " ".join(emnist("compare", "--help").stdout.split())
    assert f"default: 42,43,44, with all architectures {3 * len(ARCHITECTURES)} runs" in said


def test_the_installed_script_and_the_module_are_the_same_command():
    script = emnist("--help", command=[f"{sys.prefix}/bin/emnist"])
    assert script.returncode == 0 and script.stdout == emnist("--help").stdout == emnist().stdout


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["compair"], "'compair' (did you mean compare?)"),
        (["mend"], "but is 'mend'"),
        (
            ["x"],
            "the command should be one of predict, read, serve, page, compare, report, repair, summary, but is 'x'",
        ),
        (["--nothing"], "unrecognized arguments: --nothing: `emnist --help` shows what it takes"),
        (["predict"], "IMAGE: `emnist predict --help` shows"),
        (["predict", "--top", "0", "photo.png"], "--top should be at least 1"),
        (["predict", "--json", "--format", "csv", "a.png"], "argument --format: not allowed with argument --json"),
        (["compare", "--jobs", "0"], "--jobs should be at least 1"),
        (["compare", "--seeds", "a"], "'a' should be whole numbers"),
        (["report", "-S", "lenet"], "'lenet' should be NAME=VALUE"),
        (["repair", "all"], "unrecognized arguments: all"),
        (["serve", "--port", "99999"], "--port should be a number from 0 to 65535"),
        (["serve", "--host", "192.0.2.1"], "192.0.2.1:8000 cannot be served"),
        (["serve", "--model", "lennet"], "did you mean lenet?"),
        (["serve", "--model", "lenet,lenet"], "name each once"),
        (["serve", "--port", "0", "--model", "mine.onnx"], "mine.onnx should be an exported network"),
        (["serve", "--allowed-host", "https://a.example/"], "--allowed-host should be a name"),
        (["serve", "--root-path", "emnist/"], "--root-path should begin with /"),
        (["serve", "--keep", "/dev/null"], "/dev/null should be a folder to keep drawings in"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_refused_in_one_sentence(arguments, sentence):
    done = emnist(*arguments)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and sentence in done.stderr and done.stderr.count("\n") == 1


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A folder with the results of spinalnet."""
    monkeypatch.chdir(tmp_path)
    scores = {"accuracy": 0.5, "bymerge_accuracy": 0.6, "top3_accuracy": 0.7}
    split = {"images": {"train": 400}, "source": "rendered sample"}
    for name, values in [("split", split), ("evaluate", {"test": scores}), ("transfer", {"test": scores})]:
        write_json(f"metrics/{name}.json", values)
    Path("dvc.lock").write_text("stages: {pretrain: {params: {params.yaml: {model: spinalnet, dataset: digits}}}}\n")
    shutil.copy(REPOSITORY / "params.yaml", ".")


def test_the_summary_names_the_model_of_the_results_whatever_params_yaml_names_now(recorded, capsys):
    assert "model: spinalnet" not in Path("params.yaml").read_text()
    summary.main(None)
    said = capsys.readouterr().out
    assert said.startswith("\nspinalnet, trained on ") and "test accuracy, 10 characters" in said


@pytest.mark.parametrize(
    "lock", ["schema: '2.0'\n", "stages: {pretrain: {deps: []}}\n", "stages: {pretrain: {params: [1]}}\n"]
)
def test_the_summary_of_results_without_a_record_is_refused(recorded, lock):
    Path("dvc.lock").write_text(lock)
    with pytest.raises(UserError, match="dvc.lock should name the model that was scored"):
        summary.main(None)


def test_nothing_but_the_command_itself_imports_the_command_line():
    files = {*REPOSITORY.glob("stages/*.py"), *REPOSITORY.glob("emnist/**/*.py")} - {REPOSITORY / "emnist/__main__.py"}
    importers = [file for file in files if re.search(r"^ *(from|import) emnist\.cli\b", file.read_text(), re.M)]
    assert {file.parent for file in importers} <= {REPOSITORY / "emnist/cli"}
