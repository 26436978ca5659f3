"""Work that several processes share."""

import os
import signal
import warnings
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker

from joblib import Parallel, delayed

from emnist.utils.environment import cores, end_with_parent
from emnist.utils.errors import UserError
from emnist.utils.progress import log

MAX_LOST = 3  # workers that may end before the work is given up


def run_in_workers(name, function, tasks, workers, remedy):
    """Call a function for each task, in several processes.

    When a worker is ended from outside, as the system does when memory is short, the tasks that have no result yet are
    done again, with one worker less.

    Parameters
    ----------
    name : str
        Name of the work, for the log and the error.
    function : callable
    tasks : dict
        The arguments, a tuple, of each call by its number.
    workers : int or None
        Number of processes, one a core by default; with 1 the work is done in this one.
    remedy : str
        What to do if workers are ended again and again, for the error.

    Yields
    ------
    number, result
        Of each task when it is done, in any order.

    Raises
    ------
    UserError
        If more than `MAX_LOST` workers are ended.
    """
    missing, lost, workers = dict(tasks), 0, workers or cores()
    initializer = {"initializer": end_with_parent, "initargs": (signal.SIGKILL, os.getpid())} if workers > 1 else {}
    while missing:
        with workers_ignore_terminal():
            results = Parallel(
                n_jobs=workers,  # as many as at first: one that works alone is still a process of its own
                pre_dispatch=max(workers - lost, 1) if lost else "2 * n_jobs",
                batch_size=1,
                return_as="generator_unordered",
                **initializer,
            )(delayed(_call)(function, number, task) for number, task in list(missing.items()))
        try:
            for number, result in results:
                del missing[number]
                yield number, result
        except BrokenProcessPool:
            lost += 1
            happened = f"{name}: a worker process was ended, as the system does when memory is short"
            if lost > MAX_LOST:
                memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
                raise UserError(
                    f"{happened}, {lost} times; the machine has {memory:.1f} GB of memory: {remedy}"
                ) from None
            log(f"{happened}; {max(workers - lost, 1)} at a time do the rest")


def _call(function, number, task):
    return number, function(*task)


@contextmanager
def workers_ignore_terminal():
    """Start worker processes with Ctrl-C and SIGHUP blocked, in a ``with`` statement.

    A terminal sends them to all processes; this one ends its workers itself.
    """
    # loky's resource tracker, which starts here too, cleans up after workers that were ended early, and warns about it.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:joblib.externals.loky.backend.resource_tracker")
    # loky replaces workers whose memory has grown, such as EnsNet's at each trial, and warns about it.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    resource_tracker.ensure_running()  # starting it later would unblock SIGINT in some versions of Python
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
