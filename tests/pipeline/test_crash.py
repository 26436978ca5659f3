"""Nothing is lost: real processes are killed, interrupted and refused room, and end in the bytes of an undisturbed run.

The long form of the first test is ``python -m benchmarks.soak --kills 50``.
"""

import random
import re
import resource
import shutil
import signal

import pytest
import yaml
from cluster_helpers import wait_for
from kill_helpers import after, differences, interrupted, kill_queue, repeated, until_done
from pipeline_helpers import checkout, outputs, run, set_params, start

SOON = 150  # seconds, on a machine that others use too; a worker that is left behind waits twice as long


def never(line):
    return None


def one_sentence(done, word):
    """Whether the output ends in the sentence for a signal, says it once, and has no noise."""
    said = re.sub("^import time:.*\n", "", done.stdout, flags=re.MULTILINE)  # modules may have such names
    noise = re.search("Traceback|Warning|resource_tracker|Exception", said)
    return not noise and re.findall("^.*run the same command again.*$", done.stdout, re.M) == [
        f"{word}: run the same command again to continue"
    ]


@pytest.mark.slow
def test_a_run_of_real_processes_that_is_killed_ends_in_the_bytes_of_the_others(finished_pipeline, tmp_path):
    """`make repro` from nothing, with no stage as a fork; a kill costs one epoch or trial at most."""
    moments = [("Running stage 'download'", 4), ("search: trial 1", 0.5), ("pretrain: epoch 1/", 0.5)]
    rng = random.Random(0)

    def when(line):
        if moments and re.search(moments[0][0], line):
            return rng.uniform(0, moments.pop(0)[1])

    disturbed = checkout(tmp_path)
    runs = list(until_done("make repro", disturbed, when))
    assert len([done for done in runs if done.returncode == -signal.SIGKILL]) == 3
    assert max(repeated([done.stdout for done in runs])) <= 1
    assert "Pictures: plots" in runs[-1].stdout  # as `emnist summary` ends
    assert differences(outputs(finished_pipeline), outputs(disturbed)) == []


@pytest.mark.slow
def test_a_killed_queued_experiment_continues_when_it_is_queued_again(pipeline, tmp_path):
    experiment = "dvc exp run --queue -S sizes.small.pretrain_epochs=3 -S sizes.small.finetune_epochs=3 finetune"
    run(f"{experiment} && dvc queue start > /dev/null 2>&1", pipeline)
    wait_for(lambda: list((pipeline / ".dvc/tmp/continue").glob("finetune-*/state")))
    kill_queue(pipeline)
    run(f"{experiment} --name again && dvc queue start > /dev/null 2>&1", pipeline)
    wait_for(lambda: run("git for-each-ref 'refs/exps/*/*/again'", pipeline).stdout)

    logs = sorted((pipeline / ".dvc/tmp/exps/run").glob("*/*.out"), key=lambda path: path.stat().st_ctime)
    said = [path.read_text() for path in logs]
    assert "pretrain: epoch 3/3" in said[0] and len(said) == 2
    assert max(repeated(said)) <= 1
    ref = run("git for-each-ref --format='%(refname)' 'refs/exps/*/*/again'", pipeline).stdout.strip()
    continued = yaml.safe_load(run(f"git show {ref}:dvc.lock", pipeline).stdout)

    set_params(pipeline, **{"sizes.small.pretrain_epochs": 3, "sizes.small.finetune_epochs": 3})
    run("rm -rf .dvc/tmp/continue .dvc/cache/runs && dvc repro finetune", pipeline)
    undisturbed = yaml.safe_load((pipeline / "dvc.lock").read_text())
    for stage in ("pretrain", "finetune"):
        assert continued["stages"][stage] == undisturbed["stages"][stage]


def test_a_queued_run_that_was_killed_while_its_folder_was_made_is_noted_as_failed(pipeline):
    run("dvc exp run --queue --name lost -S seed=7 && dvc queue start > /dev/null 2>&1", pipeline)
    wait_for(lambda: list((pipeline / ".dvc/tmp/exps").glob("tmp*/data/sources.json")))
    kill_queue(pipeline)
    (folder,) = (pipeline / ".dvc/tmp/exps").glob("tmp*")
    shutil.rmtree(folder / ".dvc")
    assert "does not exist" in run("dvc exp show", pipeline, check=False).stdout
    assert "count as failed now: 1" in run("emnist repair", pipeline).stdout
    assert re.search(r"lost .* Failed", run("dvc queue status", pipeline).stdout)
    run("dvc exp show", pipeline)
    assert run("emnist repair", pipeline).stdout == ""


INTERRUPTED, TERMINATED = (signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)


@pytest.mark.parametrize(
    "command, moment, end",
    [
        # While it imports torch.
        ("python -X importtime -m stages.finetune", after(r"\btorch\."), INTERRUPTED),
        ("python -X importtime -m stages.finetune", after(r"\btorch\."), TERMINATED),
        ("python -m stages.download", after("rendering", 1), TERMINATED),
        ("python -m stages.search", after("search: trial 1"), INTERRUPTED),
        ("dvc repro finetune", after("finetune: epoch 2/"), INTERRUPTED),
        ("dvc repro finetune", after("finetune: epoch 2/"), TERMINATED),
    ],
    ids=["starting-interrupted", "starting-terminated", "rendering", "searching", "dvc-interrupted", "dvc"],
)
def test_a_signal_ends_a_stage_soon_in_one_sentence_with_its_workers(pipeline, command, moment, end):
    number, word, code = end
    sizes = {"finetune_epochs": 500} | ({} if "dvc" in command else {"trials": 6, "trial_epochs": 300})
    set_params(pipeline, **{f"sizes.small.{name}": value for name, value in sizes.items()}, **{"compute.workers": 2})
    if "download" in command:
        set_params(pipeline, **{"download.sample.train": 20_000})  # of which rendering takes seconds
    group = number == signal.SIGINT  # as a terminal sends Ctrl-C to all, and a scheduler SIGTERM to one
    forked = command.startswith("python") and not group
    done = interrupted(command, pipeline, moment, number, whole_group=group, forked=forked)
    assert one_sentence(done, word) and done.seconds < SOON, done.stdout
    if command.startswith("python"):
        assert done.returncode == code
    else:
        assert done.returncode and list((pipeline / ".dvc/tmp/continue").glob("finetune-*/state"))


def test_workers_never_hear_the_terminal_from_their_first_instruction_on(tmp_path):
    (tmp_path / "heard.py").write_text("""
import signal
from joblib import Parallel, delayed
from emnist.utils.workers import workers_ignore_terminal

with workers_ignore_terminal():
    blocked = Parallel(2, return_as="generator")(delayed(signal.pthread_sigmask)(signal.SIG_BLOCK, ()) for _ in range(4))
assert all({signal.SIGINT, signal.SIGHUP} <= mask for mask in blocked)
assert not {signal.SIGINT, signal.SIGHUP} & signal.pthread_sigmask(signal.SIG_BLOCK, ())
""")
    run("python heard.py", tmp_path)


def test_a_stage_without_room_for_its_checkpoint_continues_once_there_is_room(pipeline):
    set_params(pipeline, **{"sizes.small.finetune_epochs": 9})
    interrupted("python -m stages.finetune", pipeline, after("finetune: epoch 2/"), forked=True)
    full = interrupted(
        "python -m stages.finetune",
        pipeline,
        never,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert full.returncode == 1
    assert re.fullmatch(
        "error: no room to write .*: free some disk space, then run the same command again to continue",
        full.stdout.splitlines()[-1],
    )
    assert "Traceback" not in full.stdout
    done = interrupted("python -m stages.finetune", pipeline, never, forked=True)
    assert done.returncode == 0 and re.search("finetune: continues after epoch [1-8]", done.stdout)


def test_two_runs_with_the_same_key_at_once_end_in_the_right_bytes(finished_pipeline, pipeline, tmp_path):
    other = tmp_path / "other"
    run(f"cp -r {pipeline} {other} && rm -rf {other}/.dvc/tmp/continue", tmp_path)
    (other / ".dvc/tmp/continue").symlink_to(pipeline / ".dvc/tmp/continue")
    run("rm data/weights/pretrain.safetensors", pipeline)
    run("rm data/weights/pretrain.safetensors", other)
    run(f"python -m stages.pretrain & (cd {other} && python -m stages.pretrain) && wait $!", pipeline)
    for folder in (pipeline, other):
        assert differences(outputs(finished_pipeline), outputs(folder)) == []


def test_two_runs_in_one_checkout_at_once_end_in_the_right_bytes(finished_pipeline, pipeline):
    (pipeline / "data/weights/finetune.safetensors").unlink()
    run("rm -rf .dvc/cache", pipeline)
    processes = [start("exec dvc repro --single-item finetune", pipeline) for _ in range(2)]
    said = [process.communicate()[0] for process in processes]
    assert 0 in [process.returncode for process in processes], said
    for process, output in zip(processes, said):
        assert process.returncode == 0 or "being blocked by" in output or "Unable to acquire lock" in output, output
    assert differences(outputs(finished_pipeline), outputs(pipeline)) == []


def test_a_lock_file_that_no_kill_damaged_is_left_alone(pipeline):
    sound = (pipeline / "dvc.lock").read_bytes()
    merged = sound.replace(b"stages:\n", b"<<<<<<< HEAD\nstages:\n=======\n>>>>>>> other\n")
    for damaged in (merged, sound.replace(b"'2.0'", b"'9.0'")):  # the latter is of a newer DVC
        (pipeline / "dvc.lock").write_bytes(damaged)
        assert run("emnist repair", pipeline).stdout == ""
        assert (pipeline / "dvc.lock").read_bytes() == damaged
