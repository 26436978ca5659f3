"""Errors that are a user's to mend, and the one place where a command ends on them."""

import errno
import os
import signal
import sys
import warnings
from contextlib import contextmanager

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class UserError(Exception):
    """What was expected, what was found and what to do, in one sentence."""


class Interrupted(BaseException):
    """Raised by Ctrl-C and SIGTERM, so that half-written files and worker processes go before the command ends."""


def run_cli(main):
    """Run a command's ``main`` and end the process with one sentence instead of a traceback.

    Parameters
    ----------
    main : callable
        Takes no argument; what it returns is ignored.

    Notes
    -----
    Exit codes: 0 done, 1 a `UserError` or a full disk, 130 Ctrl-C, 143 SIGTERM.
    """
    _on_signals(_unwind)
    try:
        main()
    except UserError as error:
        _end(1, f"error: {error}")
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        _end(
            1,
            f"error: no room to write {error.filename or 'a file'}: free some disk space, "
            "then run the same command again to continue",
        )
    except Interrupted as stopped:
        _end(128 + stopped.args[0], _how_to_continue(stopped.args[0]))
    finally:
        _on_signals(signal.SIG_IGN)


def exit_on_signals():
    """Let Ctrl-C and SIGTERM end the process with its sentence, for times when there is nothing to clean up."""
    _on_signals(_end_at_once)


@contextmanager
def workers_ignore_sigint():
    """Start worker processes that Ctrl-C, which a terminal sends to all, doesn't reach: this process ends them."""
    from multiprocessing import resource_tracker

    # What workers that are ended leave behind, loky's tracker removes, but not without warnings.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:joblib.externals.loky.backend.resource_tracker")
    # Workers that have grown are replaced, as those of EnsNet are at each trial, and that is no fault.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    resource_tracker.ensure_running()  # in some versions of Python its start unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_signals(react):
    for number in _WORDS:
        signal.signal(number, react)


def _unwind(number, frame):
    _on_signals(signal.SIG_IGN)  # the cleaning up takes a moment
    warnings.simplefilter("ignore")  # of work that is cut short
    raise Interrupted(number)


def _end_at_once(number, frame):
    os.write(2, f"{_how_to_continue(number)}\n".encode())  # print may be what was interrupted
    os._exit(128 + number)


def _how_to_continue(number):
    return f"{_WORDS[number]}: run the same command again to continue"


def _end(code, sentence):
    print(sentence, file=sys.stderr, flush=True)
    sys.exit(code)
