"""Errors that are a user's to mend, and the one place where a command ends on them."""

import errno
import signal
import sys


class UserError(Exception):
    """What was expected, what was found and what to do, in one sentence."""


class _Terminated(BaseException):
    """Raised by SIGTERM, so that it unwinds like Ctrl-C."""


def run(main):
    """Run a command's ``main`` and end the process with one sentence instead of a traceback.

    Parameters
    ----------
    main : callable
        Takes no argument; what it returns is ignored.

    Notes
    -----
    Exit codes: 0 done, 1 a `UserError` or a full disk, 130 Ctrl-C, 143 SIGTERM.
    """

    def terminate(signum, frame):
        raise _Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        main()
    except UserError as error:
        _end(1, f"error: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        _end(1, f"error: no room to write {error.filename or 'a file'}: free some disk space, "
                "then run the same command again to continue")
    except KeyboardInterrupt:
        _end(130, "interrupted: run the same command again to continue")
    except _Terminated:
        _end(143, "terminated: run the same command again to continue")


def _end(code, sentence):
    print(sentence, file=sys.stderr, flush=True)
    sys.exit(code)
