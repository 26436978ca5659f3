"""The command `emnist`: what its help shows, and what it answers to a wrong name."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline_helpers import REPOSITORY

from emnist.cli import COMMANDS, main, summary
from emnist.data.files import write_json
from emnist.models import ARCHITECTURES
from emnist.utils.errors import UserError, run_cli

HEAVY = ["dvc", "matplotlib", "numpy", "pandas", "pydantic", "scipy", "torch", "yaml"]


def emnist(*arguments, command=(sys.executable, "-m", "emnist")):
    return subprocess.run([*command, *arguments], capture_output=True, text=True)


HELP = f"""import sys
from emnist.__main__ import emnist
for name in sys.argv[1:]:
    sys.argv = ["emnist", *name.split(), "--help"]
    try:
        emnist()
    except SystemExit as end:
        print("end:", end.code)
print("imported:", set({HEAVY}) & set(sys.modules) or "nothing")"""


def test_help_says_what_each_command_does_with_an_example_and_imports_nothing_that_is_slow_to_import():
    done = emnist("", *COMMANDS, command=(sys.executable, "-c", HELP))
    general, *each, imported = done.stdout.split("end: 0\n")
    assert (done.stderr, imported) == ("", "imported: nothing\n")
    for (name, purpose), said in zip(COMMANDS.items(), map(str.split, each), strict=True):
        assert [name, *purpose.split()] in map(str.split, general.splitlines())
        said = " ".join(said)
        assert said.startswith(f"usage: emnist {name} ") and purpose in said and f"example: emnist {name}" in said
    runs = 3 * len(ARCHITECTURES)
    assert f"default: 42,43,44, with all architectures {runs} runs" in " ".join("".join(each).split())


def test_the_installed_script_and_the_module_are_the_same_command():
    script = emnist("--help", command=[f"{sys.prefix}/bin/emnist"])
    assert script.returncode == 0 and script.stdout == emnist().stdout
    done = emnist("compair")
    assert (done.returncode, done.stdout) == (1, "") and "(did you mean compare?)" in done.stderr


@pytest.mark.parametrize(
    "arguments, sentence",
    [
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
def test_a_wrong_argument_is_refused_in_one_sentence(monkeypatch, capsys, arguments, sentence):
    monkeypatch.setattr(sys, "argv", ["emnist", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_cli(main)
    out, said = capsys.readouterr()
    assert (ended.value.code, out) == (1, "")
    assert said.startswith("error: ") and sentence in said and said.count("\n") == 1


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A folder with the results of spinalnet."""
    monkeypatch.chdir(tmp_path)
    scores = {"accuracy": 0.5, "bymerge_accuracy": 0.6, "top3_accuracy": 0.7}
    split = {"images": {"train": 400}, "source": "rendered sample"}
    for name, values in [("split", split), ("evaluate", {"test": scores}), ("transfer", {"test": scores})]:
        write_json(f"metrics/{name}.json", values)
    Path("dvc.lock").write_text(
        "stages: {pretrain: {params: {params.yaml: {model: spinalnet}}}, "
        "evaluate: {params: {params.yaml: {dataset: digits}}}}\n"
    )
    shutil.copy(REPOSITORY / "params.yaml", ".")


def test_the_summary_names_the_model_of_the_results_whatever_params_yaml_names_now(recorded, capsys):
    assert "model: spinalnet" not in Path("params.yaml").read_text()
    summary.main(None)
    said = capsys.readouterr().out
    assert said.startswith("\nspinalnet, trained on ") and "50.00%  test accuracy, 10 characters" in said
    assert "Pictures: plots" in said and "dvc exp run -S model=" in said


@pytest.mark.parametrize(
    "lock", ["schema: '2.0'\n", "stages: {pretrain: {deps: []}}\n", "stages: {pretrain: {params: [1]}}\n"]
)
def test_the_summary_of_results_without_a_record_is_refused(recorded, lock):
    Path("dvc.lock").write_text(lock)
    with pytest.raises(UserError, match="dvc.lock should name the model that was scored"):
        summary.main(None)


@pytest.mark.parametrize("command", ["repair", "summary"])
def test_a_command_on_the_project_says_that_it_is_in_another_folder(monkeypatch, capsys, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["emnist", command])
    with pytest.raises(SystemExit):
        run_cli(main)
    assert (
        f"error: `emnist {command}` works in the folder that has dvc.yaml, but {tmp_path} has"
        in capsys.readouterr().err
    )
