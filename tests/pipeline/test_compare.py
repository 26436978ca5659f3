"""The comparison with real DVC: what is missing is queued, an interrupted one continues, and all of it is shown."""

import csv
import signal
from contextlib import suppress

import psutil
import pytest
from cluster_helpers import wait_for
from kill_helpers import processes
from PIL import Image
from pipeline_helpers import REPOSITORY, run, start

from emnist.comparison import runs

OWN = (
    "-S spinalnet:transfer.epochs=2 -S spinalnet:sizes.small.train=100 -S spinalnet:sizes.small.trials=1 "
    "-S spinalnet:architectures.spinalnet.dropout.annealed=0.4"  # which params.yaml lacks
)
COMMAND = f"emnist compare --models lenet,spinalnet --seeds 42 {OWN}"


def experiments(folder):
    shown = csv.DictReader(run("dvc exp show --csv", folder).stdout.splitlines())
    return {row["Experiment"]: row for row in shown if row["Experiment"]}


@pytest.mark.slow
def test_a_comparison_that_is_interrupted_and_whose_runs_are_killed_continues_and_shows_all(pipeline):
    # Somebody's own, which keeps its name.
    run("dvc exp run --name lenet-42 -S seed=7 check && git checkout -q .", pipeline)
    first = start(f"exec {COMMAND}", pipeline)
    assert "0 of 2 runs are done" in first.stdout.readline()
    wait_for(lambda: processes(pipeline, "stages.pretrain") or first.poll() is not None)
    first.send_signal(signal.SIGINT)
    assert first.wait() == 128 + signal.SIGINT
    assert "interrupted: run the same command again to continue" in first.stdout.read()
    while living := processes(pipeline):
        for process in living:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    said = run(COMMAND, pipeline).stdout
    assert "| test accuracy (%) |" in said and "spinalnet cannot be compared with the others" in said
    done = experiments(pipeline)
    # A run that was killed before the queue noted its end keeps its name.
    spinalnet = max(name for name in done if name.startswith("spinalnet"))
    assert {"lenet-42", "lenet-42-2"} <= set(done)
    assert done["lenet-42"]["seed"] == "7"
    assert [done[name]["architectures.spinalnet.dropout.annealed"] for name in ("lenet-42-2", spinalnet)] == [
        "0.2",
        "0.4",
    ]
    folder = pipeline / "plots/comparison"
    with open(folder / "runs.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["seed"]) for row in rows] == [("lenet", "42"), ("spinalnet", "42")]
    for row, name in zip(rows, ["lenet-42-2", spinalnet]):
        assert row["transfer.accuracy"] == done[name]["metrics/transfer.json:test.accuracy"]
    for name in ("cost", "curves", "search", "confusion"):
        Image.open(folder / f"{name}.png").verify()

    status = run(f"{COMMAND} --status", pipeline).stdout.splitlines()
    assert [line.split(", its test accuracy")[0].split() for line in status] == [
        ["lenet-42-2", "done"],
        [spinalnet, "done"],
    ]
    said = run("emnist report --models lenet,alexnet --seeds 42,43", pipeline).stdout
    assert "1 architecture on the rendered sample, 1 run of each" in (folder / "report.html").read_text()
    assert "without lenet with seed 43, alexnet with seed 42, alexnet with seed 43" in said.splitlines()[-1]
    assert "Queued" not in run("dvc queue status", pipeline).stdout


def test_a_wrong_setting_ends_in_one_sentence_before_anything_is_queued(pipeline):
    for settings, sentence in [
        ("-S lenet:sizes.small.pretrain_epoch=3", "sizes.small.pretrain_epoch is not a parameter"),
        ("-S nothing.at.all=1", "params.yaml has no nothing.at in which all"),
        ("--models lenett", "did you mean lenet?"),
        ("-S lenet", "should be NAME=VALUE"),
        ("-S 'seed=[1'", "the value of seed should be YAML, but is '[1'"),
    ]:
        done = run(f"emnist compare {settings}", pipeline, check=False)
        assert done.returncode and sentence in done.stdout and "Traceback" not in done.stdout, done.stdout
    assert "No experiment tasks in the queue" in run("dvc queue status", pipeline).stdout


def test_a_report_without_a_complete_run_ends_in_one_sentence_and_queues_nothing(pipeline):
    done = run("emnist report --models lenet --seeds 42,43", pipeline, check=False)
    assert done.returncode == 1 and done.stdout.count("\n") == 1
    assert "none of the 2 asked for: run `emnist compare` with the same options" in done.stdout
    assert "No experiment tasks in the queue" in run("dvc queue status", pipeline).stdout


@pytest.mark.parametrize(
    "size, gpu, reduced", [("small", False, "tiny"), ("small", True, "small"), ("original", False, "original")]
)
def test_ensnet_gets_fewer_images_only_at_the_small_size_without_a_gpu(monkeypatch, size, gpu, reduced):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(runs.torch.cuda, "is_available", lambda: gpu)
    plan = runs.plan_runs(["lenet", "ensnet"], [42], [(None, f"size={size}")])
    assert plan.params.size == size and plan.values["lenet", 42]["size"] == size
    assert plan.values["ensnet", 42]["size"] == reduced
    assert bool(plan.special["ensnet"]) == (reduced != size)


def test_a_comparison_that_is_done_runs_nothing(monkeypatch):
    done = {("lenet", 42): {"name": "lenet-42"}}
    monkeypatch.setattr(runs, "finished_experiments", lambda values: done)
    assert runs.run_missing(runs.Plan(None, {}, {}, {("lenet", 42): {}}), execute=None) == done
