"""The notebook runs from the first cell to the last, and what is committed of it is small and tells of no machine."""

import getpass
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from pipeline_helpers import REPOSITORY, checkout

from tools.notebook import METADATA, NOTEBOOK, execute

COMMITTED = nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook of a checkout of the project, as `make notebook` leaves it; its commands are forks."""
    folder, forked = tmp_path_factory.mktemp("notebook"), Path(os.environ["FORKED_PYTHON"], "python3")
    path = checkout(folder / "clone", tiny=False) / "notebooks" / NOTEBOOK.name
    with pytest.MonkeyPatch.context() as patch:
        if forked.exists():
            (folder / "sitecustomize.py").write_text(f"import sys\nsys.executable = {str(forked)!r}\n")
            patch.setenv("PYTHONPATH", str(folder))
        execute(path)
    nbformat.validate(notebook := nbformat.read(path, as_version=4))
    return notebook


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def said(notebook):
    """Give all text of the outputs, without pictures."""
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    pictures = [output.get("data", {}).pop("image/png", None) for output in outputs]
    assert sum(map(bool, pictures)) >= 8
    return json.dumps(outputs, ensure_ascii=False)


@pytest.mark.slow
def test_every_cell_runs_and_shows_what_its_text_promises(executed):
    assert [cell.execution_count for cell in code(executed)] == list(range(1, len(code(executed)) + 1))
    text = said(nbformat.from_dict(json.loads(nbformat.writes(executed))))
    for line in (
        "4 ",
        "page.png: BERLIN 47",
        "page.png: KASSEL 253",
        "number   314",
        "year     2026",
        "town     KASSEL",
    ):
        assert line in text, line
    before, after = map(float, re.findall(r"(?:before|after): +([\d.]+)%", text))
    assert before < 60 and after > 90
    short, long = re.findall(r"(?:short|long) +ran ([\w, ]+)", text)
    assert {"download", "search", "pretrain"} <= set(short.split(", "))
    assert "pretrain" in long and not {"download", "split", "search"} & set(long.split(", "))
    assert re.search(r"sizes.tiny.pretrain_epochs *\| 3 *\| 5 ", text) and "validation_accuracy" in text


@pytest.mark.slow
def test_the_committed_outputs_are_those_of_these_cells(executed):
    for ours, theirs in zip(code(COMMITTED), code(executed), strict=True):
        kinds = [[(each.output_type, sorted(each.get("data", {}))) for each in cell.outputs] for cell in (ours, theirs)]
        assert ours.source == theirs.source and kinds[0] == kinds[1], ours.source


def test_what_is_committed_is_small_and_names_no_time_host_path_or_version():
    assert NOTEBOOK.stat().st_size < 1_000_000
    assert COMMITTED.metadata == METADATA and not any(cell.metadata for cell in COMMITTED.cells)
    text = said(nbformat.from_dict(json.loads(NOTEBOOK.read_text())))
    for name in ("/tmp", "/home", "site-packages", socket.gethostname(), str(REPOSITORY), f"/{getpass.getuser()}/"):
        assert name not in text, name
    assert not re.search(r"\d\d:\d\d|20\d\d-\d\d|stderr|Traceback", text)


def test_the_first_cell_fetches_and_installs_the_project_where_there_is_none(tmp_path):
    cell = code(COMMITTED)[0].source
    cell = cell.replace("https://github.com/OWNER/REPOSITORY", f"file://{REPOSITORY}") + "\nprint(os.getcwd())"
    assert cell.count("file://") == 1
    # What is installed here takes the place of an index.
    options = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_TARGET": tmp_path / "site"}
    for _ in range(2):  # the second time in the clone, where it does nothing
        folder = tmp_path / "emnist-dvc" if (tmp_path / "emnist-dvc").exists() else tmp_path
        command = [sys.executable, "-P", "-c", cell]
        environment = os.environ | {name: str(value) for name, value in options.items()}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.stdout.strip() == str(tmp_path / "emnist-dvc"), done.stderr
    assert (tmp_path / "site/emnist/pretrained/lenet.onnx").exists()
    assert not (tmp_path / "emnist-dvc/emnist-dvc").exists()
