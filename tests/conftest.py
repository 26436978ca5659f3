"""The tiny pipeline, run once for all tests that look at its results."""

import shutil

import pytest
from project import checkout, commit, run


@pytest.fixture(scope="session")
def finished_pipeline(tmp_path_factory):
    """A checkout in which `dvc repro` has run from nothing and the results are committed. Not to be changed."""
    folder = checkout(tmp_path_factory.mktemp("pipeline"))
    run("dvc repro", folder)
    run("git add dvc.lock metrics plots", folder)
    commit(folder, "The tiny experiment's results")
    return folder


@pytest.fixture
def pipeline(finished_pipeline, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(finished_pipeline, tmp_path / "pipeline", symlinks=True)
