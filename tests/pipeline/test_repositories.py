"""Experiments in repositories of other kinds: DVC in the workspace, `emnist compare` by its queue and on a cluster.

Git knows no name and address there, for which DVC asks where the workspace has changes, as after an experiment.
"""

import shutil

import pytest
from cluster_helpers import Cluster
from pipeline_helpers import commit, link_environment, run, without_identity


def compare(factor):
    """A comparison of one run, of which only the stage `check` is not yet done."""
    return f"emnist compare --models lenet --seeds 42 -S architectures.alexnet.epoch_factor={factor}"


def worktree(pipeline, around):
    """The project is a folder of a larger repository, in a linked worktree of it."""
    run("git init -q -b main", around)
    shutil.rmtree(pipeline / ".git")
    pipeline.rename(around / "project")
    run("git add -A && git commit -qm Monorepo && git worktree add -q -b other tree", around)
    return around / "tree/project"


def submodule(pipeline, around):
    """Git signs each commit there, and keeps what many files need."""
    run("git init -q -b main", around)
    run(f"git -c protocol.file.allow=always submodule --quiet add '{pipeline}' module && git commit -qm Module", around)
    run("git config commit.gpgsign true && git config feature.manyFiles true", around / "module")
    run("git update-index -q --refresh", around / "module")
    return around / "module"


def shallow_clone(pipeline, around):
    """As CI and Colab make it."""
    run(f"git clone -q --depth 1 file://'{pipeline}' clone", around)
    return around / "clone"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.start_worker("w0")
        yield cluster


@pytest.mark.slow
@pytest.mark.parametrize("make", [worktree, submodule, shallow_clone])
def test_experiments_run_in_the_workspace_in_the_queue_and_on_a_cluster(pipeline, cluster, tmp_path, make):
    (pipeline / ".dvc/cache").rename(tmp_path / "remote")  # which is the cache, too
    run(f"dvc remote add --quiet --default storage {tmp_path}/remote && dvc cache dir {tmp_path}/remote", pipeline)
    commit(pipeline, "Name the remote")
    (tmp_path / "around").mkdir()
    project = make(pipeline, tmp_path / "around")
    link_environment(project)
    run(
        "dvc checkout --quiet && dvc exp run --quiet --name own -S +architectures.alexnet.epoch_factor=2 check", project
    )
    configured = run("git config --list --local", project).stdout
    queued = run(f"{without_identity(tmp_path)} {compare(factor=3)}", project, check=False).stdout
    run("git checkout -q .", project)
    if make is shallow_clone:
        assert "error: DVC's queue loses the results of its runs in a shallow clone: run `git fetch --unsh" in queued
        assert run("dvc queue status", project).stdout.startswith("No experiment tasks in the queue")
    else:
        assert "| test accuracy (%) |" in queued, queued
    if make is not submodule:  # which is to a cluster what a worktree is: `.git` is a file
        assert "| test accuracy (%) |" in run(f"{compare(factor=4)} --cluster {cluster.file}", project).stdout
    assert run("git config --list --local", project).stdout == configured
