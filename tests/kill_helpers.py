"""Kill a command as a preempted machine would, and run it again until it ends."""

import os
import re
import signal
import subprocess
import threading
import time
from itertools import chain
from typing import NamedTuple

import psutil
from cluster_helpers import wait_for
from pipeline_helpers import environment, fast_environment


class Run(NamedTuple):
    """How a command ended: minus the signal's number if one ended it, all that it and its children printed, and the
    seconds from the signal until the last of them had ended."""

    returncode: int
    stdout: str
    seconds: float


def processes(folder, pattern=""):
    """List the processes (psutil.Process) that run in a folder or below it, and whose command line matches.

    One that ends meanwhile shows no folder, or no command line.
    """
    return [
        process
        for process in psutil.process_iter(["cwd", "cmdline"])
        if str(process.info["cwd"]).startswith(str(folder))
        and re.search(pattern, " ".join(process.info["cmdline"] or []))
    ]


def kill_queue(folder):
    """Kill the first worker of DVC's queue, and with it the run that it does."""
    worker = int((folder / ".dvc/tmp/exps/celery/dvc-exp-worker-1.pid").read_text())
    os.killpg(os.getpgid(worker), signal.SIGKILL)


def interrupted(command, folder, when, number=signal.SIGKILL, whole_group=True, deliver=None, forked=False, **options):
    """Run a command in its own process group, and send it a signal.

    Parameters
    ----------
    command : str
    folder : pathlib.Path
    when : callable
        Gets an empty line and then each line of the output, and gives the seconds from it to the signal, or None; the
        first number counts.
    number : signal.Signals
    whole_group : bool
        Whether all processes get the signal, or only the first one.
    deliver : callable, optional
        Sends another signal, or to other processes: it gets the number of the first process.
    forked : bool
        Whether stages may run as in `forked_python`: there a signal to the group reaches none of their workers.
    **options
        For `subprocess.Popen`.

    Returns
    -------
    Run
    """
    process = subprocess.Popen(
        command.split(),
        cwd=folder,
        env=(fast_environment() if forked else environment()) | {"PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **options,
    )

    sent = time.monotonic()

    def send():
        nonlocal sent
        if process.poll() is None:
            sent = time.monotonic()
            if deliver:
                deliver(process.pid)
            else:
                (os.killpg if whole_group else os.kill)(process.pid, number)

    lines, timer = [], None
    for line in chain([""], process.stdout):  # which ends when no child holds it any more
        lines.append(line)
        delay = when(line) if timer is None else None
        if delay is not None:
            timer = threading.Timer(delay, send)
            timer.start()
    process.wait()
    if timer:
        timer.cancel()
    if process.returncode == -signal.SIGKILL and whole_group and not deliver:
        wait_for(lambda: _has_ended(process.pid))  # what one of the group still holds, DVC finds busy
    return Run(process.returncode, "".join(lines), time.monotonic() - sent)


def _has_ended(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True


def after(pattern, delay=0.0):
    """Make a `when`: so many seconds after the first line in which the pattern is found."""
    return lambda line: delay if re.search(pattern, line) else None


def until_done(command, folder, when):
    """Run a command again and again, each time killed at the moment that `when` gives, until it ends by itself.

    Where DVC was killed while it wrote its own files, they are repaired as `make repro` repairs them.

    Yields
    ------
    Run
    """
    while True:
        done = interrupted(command, folder, when)
        yield done
        if done.returncode == 0:
            return
        if done.returncode != -signal.SIGKILL:
            repaired = interrupted("emnist repair", folder, lambda line: None)
            assert "half written" in repaired.stdout, done.stdout
            yield repaired


def repeated(runs):
    """Count, for each run, the epochs and trials that it did although a run before it had ended them."""
    counts, ended = [], set()
    for said in runs:
        work = set(re.findall(r"^(\w+: (?:epoch|trial) \d+)\b", said, re.M))
        counts.append(len(work & ended))
        ended |= work
    return counts


def differences(first, second):
    """List the files whose bytes differ, or that only one of two `project.outputs` has."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
