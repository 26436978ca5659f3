"""What other processes may do meanwhile: end, live on, belong to another user, or write the same files."""

import os
import signal
import subprocess
import sys
from argparse import Namespace

import psutil
import pytest

from emnist.cli import repair
from emnist.comparison.experiments import is_process_alive

WORKING = """
import os, time
from emnist.utils.workers import run_in_workers

def work(number):
    print("at work", flush=True)
    time.sleep(120 * number)

if __name__ == "__main__":
    list(run_in_workers("work", work, {n: (n,) for n in (0, 1, 2)}, 2, "nothing"))
"""
WAITING = """
from emnist.utils.errors import run_cli

def main():
    print("begun", flush=True)
    input()
    print("done")

run_cli(main)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell a process that its parent ended")
def test_workers_end_with_the_process_that_started_them(tmp_path, number):
    (tmp_path / "working.py").write_text(WORKING)
    process = subprocess.Popen([sys.executable, "working.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    for _ in range(2):
        process.stdout.readline()
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) >= 2
    process.send_signal(number)
    process.wait()
    assert psutil.wait_procs(started, timeout=100)[1] == []  # they sleep for longer


def test_a_terminal_that_closes_ends_a_command_in_one_sentence_unless_it_was_told_to_live_on():
    command = [sys.executable, "-c", WAITING]
    for before, code, said in [((), 129, "hung up: run the same command again to continue\n"), (("nohup",), 0, "")]:
        process = subprocess.Popen(
            [*before, *command],
            text=True,
            **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE),
            # Which another test may have had ignored in this process.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGHUP)
        assert process.communicate("\n") == ("" if code else "done\n", said) and process.returncode == code


def test_a_process_of_another_user_counts_as_alive():
    assert is_process_alive(os.getpid())
    if os.getuid() == 0:  # who may signal every process
        if (child := os.fork()) == 0:
            os.setuid(65534)
            os._exit(not is_process_alive(1))
        assert os.waitpid(child, 0)[1] == 0
    else:
        assert is_process_alive(1)


def test_repair_leaves_a_file_alone_that_a_living_run_is_just_writing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    lock = tmp_path / ".dvc/tmp/rwlock"
    lock.write_bytes(b"")
    monkeypatch.setattr(repair.time, "sleep", lambda seconds: lock.write_bytes(b"{}"))
    monkeypatch.setattr(repair, "can_read", lambda lock: True)  # which asks DVC of another file
    repair.main(Namespace(all=False))
    assert lock.read_bytes() == b"{}" and capsys.readouterr().out == ""
