"""What is missing for `make` is said in one sentence, and the same command works once it is there."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from pipeline_helpers import REPOSITORY, environment

from tools import check_setup

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"

# Runs a script on a machine with so many bytes free.
RUN = """
import os, runpy, shutil, sys, types
shutil.disk_usage = lambda path: types.SimpleNamespace(free=int(os.environ.get("FREE", 10**12)))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# A Python that makes virtual environments with such a Python in them, and notes what it is asked for.
STUB = f"""#!/bin/sh
case "$1 $2" in
tools/*) exec "{sys.executable}" -c '{RUN}' "$@" ;;
"-m venv")
    echo "$@" >> asked
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python
    printf 'version = {VERSION}.0\\ncommand = python -m venv %s\\n' "$PWD/$3" > .venv/pyvenv.cfg ;;
"-m pip")
    echo pip >> asked
    if [ -e no-network ]; then exit 1; fi ;;
esac
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The project's Makefile in a git repository whose name has spaces and an accent, and an own Python."""
    folder = tmp_path / "émnist copy (1)"
    (folder / "tools").mkdir(parents=True)
    shutil.copy(REPOSITORY / "Makefile", folder)
    shutil.copy(REPOSITORY / "tools/check_setup.py", folder / "tools")
    (folder / "requirements.lock").touch()
    (folder / "pyproject.toml").touch()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / "python-stub").write_text(STUB)
    (folder / "python-stub").chmod(0o755)
    monkeypatch.chdir(folder)
    return folder


def make(*arguments, **variables):
    command = ["make", "--no-print-directory", ".venv/installed", "PYTHON=./python-stub", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment() | variables)


def has_one_sentence(done, *parts):
    sentence, *rest = done.stderr.splitlines()
    assert done.returncode and rest and all(line.startswith("make: ***") for line in rest), done.stderr
    assert re.fullmatch(r"error: .+, then run `make .+` again", sentence), sentence
    assert [part for part in parts if part not in sentence] == []
    return True


def asked(folder):
    return (folder / "asked").read_text().splitlines() if (folder / "asked").exists() else []


def test_help_lists_every_command_and_is_what_make_does_alone(folder):
    done = subprocess.run(["make"], capture_output=True, text=True, check=True, env=environment())
    listed = [line.split()[1] for line in done.stdout.splitlines()]
    assert listed == ["help", "repro", "test", "test-fast", "lint", "format", "notebook"]
    assert all(len(line.split()) > 3 for line in done.stdout.splitlines())


def test_an_installation_is_made_once_and_again_when_what_it_pins_changes(folder):
    assert make().returncode == 0 and make().returncode == 0
    assert asked(folder) == ["-m venv .venv", "pip", "pip"]
    (folder / "requirements.lock").touch()
    assert make().returncode == 0
    assert asked(folder)[3:] == ["-m venv .venv", "pip", "pip"]


def test_an_interrupted_installation_starts_afresh(folder):
    (folder / "no-network").touch()
    assert make().returncode and not (folder / ".venv/installed").exists()
    (folder / "no-network").unlink()
    (folder / ".venv/half-written").touch()
    done = make()
    assert done.returncode == 0 and "The last installation was interrupted: this one starts afresh." in done.stdout
    assert asked(folder) == ["-m venv .venv", "pip", "-m venv .venv", "pip", "pip"]
    assert sorted(path.name for path in (folder / ".venv").iterdir()) == ["bin", "installed", "pyvenv.cfg", "vega.js"]


def test_a_virtual_environment_of_another_python_is_left_alone(folder):
    make()
    (folder / ".venv/installed").unlink()
    (folder / ".venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.10.13\n")
    assert has_one_sentence(make(), f"should be of Python {VERSION}, but is of 3.10", "rm -r .venv")
    shutil.rmtree(folder / ".venv")
    assert make().returncode == 0


@pytest.mark.parametrize("missing", ["pyvenv.cfg", "bin/python"])
def test_a_virtual_environment_that_is_half_written_is_left_alone(folder, missing):
    make()
    (folder / ".venv/installed").unlink()
    (folder / ".venv" / missing).unlink()
    assert has_one_sentence(make(), ".venv should be a virtual environment, but is incomplete", "rm -r .venv")


def test_an_installation_of_another_folder_is_named(folder):
    make()
    moved = folder.rename(folder.with_name("moved"))
    command = ["make", "--no-print-directory", "repro", "PYTHON=./python-stub"]
    done = subprocess.run(command, cwd=moved, capture_output=True, text=True, env=environment())
    assert has_one_sentence(
        done, f"was moved or copied, and its commands start what is in {folder}/.venv", "rm -r .venv"
    )


def test_a_folder_without_git_is_told_how_to_begin(folder):
    shutil.rmtree(folder / ".git")
    ceiling = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    for target in ("repro", "test"):
        command = ["make", target, "PYTHON=./python-stub"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment() | ceiling)
        assert has_one_sentence(done, "git init -b main && git add -A && git commit -m Start", f"`make {target}` again")
    for command in (["git", "init", "-q", "-b", "main"], ["git", "add", "-A"], ["git", "commit", "-q", "-m", "Start"]):
        subprocess.run(command, check=True, env=environment())
    assert make(**ceiling).returncode == 0


def test_a_python_that_is_not_there_is_named(folder):
    assert has_one_sentence(make("PYTHON=python9"), "python9", "not found")


def test_a_user_without_a_name_is_told_what_dvc_needs(folder, monkeypatch):
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    check = [sys.executable, "tools/check_setup.py", "project", "repro"]
    done = subprocess.run(["unshare", "--user", "--map-user=12345", *check], capture_output=True, text=True)
    if "unshare" in done.stderr:
        pytest.skip("this machine allows no user of one's own")
    assert done.returncode == 1 and "number 12345 has none: run `export LOGNAME=me`" in done.stderr


def test_git_that_is_not_installed_is_named(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert check_setup.check_project().startswith("git should be installed")


def test_a_python_without_venv_is_told_which_package_has_it(folder, monkeypatch):
    python = folder / "python-without-venv"
    python.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'ensurepip'\" >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(check_setup.sys, "executable", str(python))
    assert f"apt install python{VERSION}-venv" in check_setup.check_installation()


def test_a_python_of_another_version_is_refused(folder, monkeypatch):
    monkeypatch.setattr(check_setup, "SUPPORTED", [(3, 99)])
    assert f"is {VERSION}: install one, name it" in check_setup.check_installation()


def test_too_little_disk_is_said_before_the_installation_and_not_after_it(folder):
    needed = check_setup.GIGABYTES
    assert has_one_sentence(make(FREE="1500000000"), f"needs {needed} GB of disk, but 1.5 GB are free")
    assert make(FREE=f"{needed}000000000").returncode == 0
    (folder / "requirements.lock").touch()
    assert make(FREE="0").returncode == 0


def test_the_versions_that_are_checked_are_those_of_pyproject():
    declared = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (REPOSITORY / "pyproject.toml").read_text())
    assert check_setup.SUPPORTED == [(3, minor) for minor in range(*map(int, declared.groups()))]


def test_the_workflow_runs_both_commands_with_every_version_and_on_macos():
    (job,) = yaml.safe_load((REPOSITORY / ".github/workflows/test.yml").read_text())["jobs"].values()
    runners = {(each["os"].split("-")[0], each["python"]) for each in job["strategy"]["matrix"]["include"]}
    assert {("ubuntu", check_setup.dotted(version)) for version in check_setup.SUPPORTED} < runners
    assert "macos" in {system for system, _ in runners}
    assert {"make test", "make repro"} <= {step.get("run") for step in job["steps"]}


def test_a_commit_is_checked_as_make_lint_checks():
    (repository,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in repository["hooks"]]
    lint = re.search(r"^lint:.*\n\t(.*)\n\t(.*)\n", (REPOSITORY / "Makefile").read_text(), re.M)
    assert [f"{hook} ." for hook in hooks] == list(lint.groups())


def test_the_package_its_citation_and_the_changelog_name_one_version():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    latest = re.search(r"^## .*?(\d+\.\d+\.\d+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.M)
    assert citation["version"] == project["version"] == latest[1]
    assert citation["license"] == project["license"]


def test_a_clone_has_a_folder_for_data():
    listed = subprocess.run(["git", "ls-files", "data"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert listed.stdout == "data/.gitignore\n"


def test_a_clone_by_git_for_windows_has_the_same_bytes(tmp_path):
    clone = [*"git -c core.autocrlf=true clone --quiet --config core.autocrlf=true".split(), str(REPOSITORY), "clone"]
    subprocess.run(clone, cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--eol"], cwd=tmp_path / "clone", capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in listed.splitlines()} == {"w/lf", "w/-text", "w/none"}
    assert not subprocess.run(["git", "status", "--short"], cwd=tmp_path / "clone", capture_output=True).stdout
