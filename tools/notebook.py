"""Run ``notebooks/showcase.ipynb`` from the first cell to the last, and store its outputs in it.

    python -m tools.notebook

Two runs on one machine give the same bytes: nothing says when, where or by what version it ran.
"""

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "notebooks/showcase.ipynb"
SECONDS = 1800  # that a cell may take
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path):
    """Run a notebook in a new process, in its own folder, and write it with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=SECONDS, record_timing=False, coalesce_streams=True)
    client.resources = {"metadata": {"path": str(Path(path).parent)}}
    with tempfile.TemporaryDirectory() as profile:  # in place of the user's, which may start with code of its own
        client.execute(env=os.environ | {"IPYTHONDIR": profile})
    notebook.metadata = METADATA
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/jpeg", None)  # beside the same picture as PNG
    nbformat.write(notebook, path)


if __name__ == "__main__":
    execute(NOTEBOOK)
