"""User-facing errors and signal handling."""

import errno
import os
import signal
import sys
import warnings

_SIGNAL_NAMES = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class UserError(Exception):
    """An error that the user can fix; its one-line message says what was expected, what was found and what to do."""


class Interrupted(BaseException):
    """Raised on Ctrl-C and SIGTERM, so that half-written files and worker processes are cleaned up before the exit."""


def run_cli(main):
    """Run a command's ``main``; on a `UserError` or a signal, exit with one line instead of a traceback.

    Parameters
    ----------
    main : callable
        Takes no arguments; its return value is ignored.

    Notes
    -----
    Exit codes: 0 for success, 1 for a `UserError` or a full disk, 130 for Ctrl-C, 143 for SIGTERM.
    """
    _handle_signals(_raise_interrupted)
    try:
        main()
    except UserError as error:
        _exit(1, f"error: {error}")
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        _exit(
            1,
            f"error: no room to write {error.filename or 'a file'}: free some disk space, "
            "then run the same command again to continue",
        )
    except Interrupted as interrupted:
        _exit(128 + interrupted.args[0], _signal_message(interrupted.args[0]))
    finally:
        _handle_signals(signal.SIG_IGN)


def exit_on_signals():
    """Exit at once on Ctrl-C and SIGTERM, with the message of `run_cli`; use it when there is nothing to clean up."""
    _handle_signals(_exit_at_once)


def _handle_signals(handler):
    for number in _SIGNAL_NAMES:
        signal.signal(number, handler)


def _raise_interrupted(number, frame):
    _handle_signals(signal.SIG_IGN)  # a second signal should not interrupt the clean-up
    warnings.simplefilter("ignore")  # about the interrupted work
    raise Interrupted(number)


def _exit_at_once(number, frame):
    os.write(2, f"{_signal_message(number)}\n".encode())  # not print, which may be what was interrupted
    os._exit(128 + number)


def _signal_message(number):
    return f"{_SIGNAL_NAMES[number]}: run the same command again to continue"


def _exit(code, message):
    print(message, file=sys.stderr, flush=True)
    sys.exit(code)
