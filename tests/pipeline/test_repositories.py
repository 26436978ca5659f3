"""Experiments in repositories of other kinds: the queue of DVC, `emnist compare` and the cluster work there too."""

import shutil

import pytest
from cluster_helpers import Cluster
from pipeline_helpers import commit, link_environment, run

COMPARE = "emnist compare --models lenet --seeds 42 -S evaluate.tta=1"


def subfolder(pipeline, around):
    """The project is a folder of a repository."""
    run("git init -q -b main", around)
    shutil.rmtree(pipeline / ".git")
    pipeline.rename(around / "project")
    run("git add -A && git commit -qm Monorepo", around)
    return around / "project"


def shallow_clone(pipeline, around):
    """A clone as CI makes it, where git signs each commit and keeps what many files need."""
    run(f"git clone -q --depth 1 file://'{pipeline}' clone", around)
    run(
        "git config commit.gpgsign true && git config feature.manyFiles true && git update-index -q --refresh",
        around / "clone",
    )
    return around / "clone"


def worktree(pipeline, around):
    run(f"git worktree add -q -b other '{around}/tree'", pipeline)
    return around / "tree"


def submodule(pipeline, around):
    run("git init -q -b main", around)
    run(f"git -c protocol.file.allow=always submodule --quiet add '{pipeline}' module && git commit -qm Module", around)
    return around / "module"


@pytest.fixture(params=[subfolder, shallow_clone, worktree, submodule], ids=lambda make: make.__name__)
def project(request, pipeline, tmp_path):
    """The finished pipeline in such a repository, with its cache and a remote."""
    (tmp_path / "around").mkdir()
    run("dvc remote add --quiet --default storage ../remote", pipeline)
    commit(pipeline, "Name the remote")
    project = request.param(pipeline, tmp_path / "around")
    if not (project / ".venv").exists():
        shutil.copytree(pipeline / ".dvc/cache", project / ".dvc/cache", copy_function=shutil.copy)
        link_environment(project)
        run("dvc checkout --quiet", project)
    return project


def test_experiments_run_in_the_workspace_in_the_queue_and_on_a_cluster(project, tmp_path):
    run("dvc exp run --quiet --name own -S seed=43 check", project)
    run("git checkout -q . && dvc checkout --quiet", project)
    assert "| test accuracy (%) |" in run(COMPARE, project).stdout
    run("git checkout -q . && dvc exp rename -q lenet-42 here && git for-each-ref refs/exps", project)
    run("dvc push --quiet --run-cache && dvc exp remove here", project)
    with Cluster(tmp_path) as cluster:
        cluster.start_worker("w0")
        assert "| test accuracy (%) |" in run(f"{COMPARE} --cluster {cluster.file}", project).stdout
