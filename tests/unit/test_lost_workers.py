"""Workers that are ended from outside. Imports no torch, which each new worker would import again."""

import os
import signal
import time

import pytest

from emnist.utils import workers
from emnist.utils.errors import UserError


def end_itself(folder, number, times):
    """Give the number, but end the process it runs in the first `times` times that it is called for number 1."""
    time.sleep(0.05)
    if number == 1 and len(list(folder.iterdir())) < times:
        (folder / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def run_with_deaths(folder, times):
    tasks = {number: (folder, number, times) for number in range(6)}
    return dict(workers.run_in_workers("search", end_itself, tasks, 2, "lower compute.workers"))


def test_work_goes_on_when_a_worker_is_killed(tmp_path, capsys):
    assert run_with_deaths(tmp_path, times=1) == {number: number for number in range(6)}
    assert capsys.readouterr().out.count("a worker process was ended") == 1


def test_workers_that_are_killed_again_and_again_are_one_sentence_with_the_memory_and_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "MAX_LOST", 1)
    with pytest.raises(UserError, match=r"search: .* 2 times; the machine has [\d.]+ GB of memory: lower compute.w"):
        run_with_deaths(tmp_path, times=99)
