"""A checkout of the project in a temporary folder, small enough to run whole in a test."""

import copy
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
TINY = {
    "model": "lenet",
    "download.sample.train": 500,
    "download.sample.test": 120,
    "sizes.small": {
        **{"train": 400, "test": 100, "trials": 2},
        **{"trial_epochs": 1, "pretrain_epochs": 2, "finetune_epochs": 1},
    },
    "architectures.lenet.epoch_factor": 1.0,
    "transfer.epochs": 1,
}


def checkout(folder, tests=False, tiny=True, **changes):
    """Copy the project's files as they are now into a new git repository, with tiny parameters.

    Parameters
    ----------
    folder : pathlib.Path
    tests : bool
        Whether to copy the tests, too.
    tiny : bool
        Whether to change params.yaml at all.
    **changes
        Further parameters; a dot is written as two underscores.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    left_out = ("metrics/", "plots/", "dvc.lock") + (() if tests else ("tests/",))
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file() and not name.startswith(left_out):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    link_environment(folder)
    if tiny:
        set_params(folder, **TINY | {key.replace("__", "."): value for key, value in changes.items()})
    run("git init -q -b main", folder)
    run("git add -A", folder)
    commit(folder, "A tiny experiment")
    return folder


def link_environment(folder):
    """Give a checkout the virtual environment that the tests run in, as `make` would install it."""
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != "installed":
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv/installed").touch()


def own_params():
    """Read the project's own params.yaml."""
    return yaml.safe_load((REPOSITORY / "params.yaml").read_text())


def set_params(folder, **changes):
    """Set dotted keys of params.yaml."""
    path = folder / "params.yaml"
    values = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        section = values
        *parents, last = key.split(".")
        for parent in parents:
            section = section[parent]
        section[last] = copy.deepcopy(value)  # which a later call may change
    path.write_text(yaml.safe_dump(values, sort_keys=False))


def environment(*first_in_path):
    """Give the environment of a user who has activated the virtual environment.

    DVC runs stages in the user's shell. Without one named it is the system's, whose ``sh -c`` stays beside what it
    runs, where bash gives way to it: the harder case for signals.
    """
    of_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKE_TERMOUT", "MAKE_TERMERR")  # which may run these tests
    return {name: value for name, value in os.environ.items() if name not in ("SHELL", *of_make)} | {
        "PATH": os.pathsep.join(map(str, [*first_in_path, Path(sys.executable).parent, os.environ["PATH"]])),
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
    }


def fast_environment():
    """Give that of `environment`; in a test, stages run as in `forked_python`."""
    return environment(*filter(None, [os.environ.get("FORKED_PYTHON")]))


def without_identity(home):
    """Give the beginning of a command that runs where git knows no name and no address, with such a home."""
    names = " ".join(f"-u GIT_{role}_{part}" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL"))
    return f"env {names} -u XDG_CONFIG_HOME GIT_CONFIG_NOSYSTEM=1 HOME={home}"


def start(command, folder):
    """Start a shell command in the checkout, in `fast_environment`; all its output goes to one pipe."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, shell=True, text=True, env=fast_environment(), **pipes)


def run(command, folder, check=True):
    """Run a shell command as `start` does; its output is shown if it fails."""
    process = start(command, folder)
    said, _ = process.communicate()
    if check and process.returncode:
        raise AssertionError(f"`{command}` ended with {process.returncode}:\n{said}")
    return subprocess.CompletedProcess(command, process.returncode, said)


def commit(folder, message):
    """Commit what is tracked and has changed."""
    run(f"git commit -qam {shlex.quote(message)}", folder)


def metrics(folder):
    """Read all metrics of a checkout, by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in (folder / "metrics").iterdir()}


def outputs(folder):
    """Give the bytes of all that the pipeline wrote."""
    files = [folder / "dvc.lock"]
    for name in ("data", "metrics", "plots"):
        files += sorted(path for path in (folder / name).rglob("*") if path.is_file() and path.name != ".gitignore")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def stages_run(output):
    """Name the stages that DVC says it runs, but for `scan`, which it always runs."""
    return set(re.findall(r"Running stage '(\w+)'", output)) - {"scan"}


def commands(block):
    """List the commands of a block of a document."""
    lines = [line.split("   #")[0].split("  #")[0].strip() for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
