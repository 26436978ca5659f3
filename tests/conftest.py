"""The tiny pipeline, run once for all tests that look at its results."""

import shutil

import pytest
from filelock import FileLock
from pipeline_helpers import checkout, commit, run


def pytest_collection_modifyitems(items):
    """Begin with the longest file, which makes the pipeline, and go on with what needs none."""
    waiting = {item.path for item in items if "finished_pipeline" in item.fixturenames}
    items.sort(key=lambda item: (item.path.name != "test_commands.py", item.path in waiting))


@pytest.fixture(scope="session")
def finished_pipeline(tmp_path_factory, worker_id):
    """A checkout in which `make repro` has run from nothing and the results are committed. Not to be changed.

    Its folder has such a name as a person's may have.
    """
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent  # by the processes in which test files run side by side
    folder, done = shared / "émnist copy (1)", shared / "pipeline.done"
    with FileLock(shared / "pipeline.lock"):
        if not done.exists():
            folder.mkdir()
            checkout(folder)
            run("make repro", folder)
            run("git add dvc.lock metrics plots", folder)
            commit(folder, "The results of the tiny experiment")
            done.touch()
    return folder


@pytest.fixture
def pipeline(finished_pipeline, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(finished_pipeline, tmp_path / "pipeline", symlinks=True)
