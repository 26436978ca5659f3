"""Experiments with real git and DVC where git knows no name and no address of the person.

DVC asks for them when the workspace has changes, as it has after each experiment.
"""

import pytest
from pipeline_helpers import run, set_params, without_identity


@pytest.fixture
def unknown(tmp_path):
    return without_identity(tmp_path)


def test_dvc_queues_experiments_once_repair_has_given_the_checkout_an_identity(pipeline, unknown):
    set_params(pipeline, seed=7)
    queue = f"{unknown} dvc exp run --queue -S seed=8"
    assert "name and email must be configured" in run(queue, pipeline, check=False).stdout
    (said,) = run(f"{unknown} emnist repair", pipeline).stdout.splitlines()
    assert "EMNIST pipeline <emnist@localhost>" in said and "`git config" in said
    assert "Queued experiment" in run(queue, pipeline).stdout
    assert run(f"{unknown} emnist repair", pipeline).stdout == ""


def test_repair_keeps_the_part_of_an_identity_that_a_person_configured(pipeline, unknown):
    run("git config user.name Ada", pipeline)
    assert "Ada <emnist@localhost>" in run(f"{unknown} emnist repair", pipeline).stdout
    assert run("git config user.name", pipeline).stdout == "Ada\n"
    assert run("emnist repair", pipeline).stdout == ""  # the tests' own environment names an identity


@pytest.mark.parametrize("command", ["repair", "compare --models lenet --seeds 42 --status"])
def test_a_checkout_of_another_user_is_one_sentence_with_the_remedy_of_git(pipeline, unknown, command):
    another = f"{unknown} GIT_TEST_ASSUME_DIFFERENT_OWNER=1"
    said = run(f"{another} emnist {command}", pipeline, check=False).stdout
    assert said.startswith("error: `git ") and said.count("\n") == 1
    assert "detected dubious ownership" in said and "git config --global --add safe.directory" in said


def test_repair_configures_no_repository_around_a_project_without_git(pipeline, unknown):
    around = pipeline.parent
    run(f"git init -q {around} && rm -r .git", pipeline)
    before = (around / ".git/config").read_bytes()
    run(f"{unknown} emnist repair", pipeline)
    assert (around / ".git/config").read_bytes() == before
