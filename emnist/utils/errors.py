"""User-facing errors and signal handling."""

import errno
import os
import re
import signal
import sys
import warnings
from contextlib import contextmanager

# What errors say that the system, NumPy, PyTorch, oneDNN, ONNX Runtime and Python's threads raise when memory ends.
_OUT_OF_MEMORY = re.compile(
    "cannot allocate memory|unable to allocate|can't allocate memory|failed to allocate memory|out of memory|bad_alloc|"
    "could not create a primitive|can't start new thread|failed to map segment|STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)
_MORE_MEMORY = re.compile(r"allocate (\d[\d.]* ?\w+)")
_SIGHUP = getattr(signal, "SIGHUP", None)  # Windows has none
_SIGNAL_NAMES = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"} | ({_SIGHUP: "hung up"} if _SIGHUP else {})


class UserError(Exception):
    """An error that the user can fix; its one-line message says what was expected, what was found and what to do."""

    def __init__(self, message):
        super().__init__(printable(message))


class Interrupted(BaseException):
    """Raised on Ctrl-C, SIGTERM and SIGHUP, so that half-written files and worker processes are cleaned up before the exit."""


def printable(text):
    """Show text, such as a file's name, without the characters that a terminal obeys: they are escaped, as in a literal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


@contextmanager
def explain_damage(path, content, *errors):
    """Raise `UserError` in a ``with`` statement that loads a file which `dvc repro` makes.

    `content` says what the file should hold or be, and `errors` are what loading raises if it is damaged.
    """
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro` to make it") from None
    except errors as error:
        reason = str(error).strip()[:200]
        raise UserError(f"{path} should {content}, but is damaged ({reason}): delete it and run `dvc repro`") from None


def run_cli(main):
    """Run a command's ``main``; on a `UserError` or a signal, exit with one line instead of a traceback.

    Exit codes: 0 for success, 1 for a `UserError` or where the system refuses something, such as room on the disk, 130
    for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP, as from a terminal that is closed.
    """
    came = []  # the signal, since libraries make other errors of `Interrupted`, as torch.onnx does

    def interrupt(number, frame):
        came.append(number)
        # A second signal should not interrupt the clean-up. Python complains of SIG_IGN where one has just come.
        _handle_signals(lambda *_: None)
        warnings.simplefilter("ignore")  # about the interrupted work
        raise Interrupted(number)

    _handle_signals(interrupt)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed, as by some services
            setattr(sys, name, open(os.devnull, mode))
    sys.stdout.reconfigure(errors="backslashreplace")  # the terminal's encoding may lack a character
    try:
        try:
            main()
        except SystemExit:  # as of `--help`
            sys.stdout.flush()
            raise
        sys.stdout.flush()  # if its reader, such as `head`, is gone, that is told here, without a traceback
    except (Exception, Interrupted) as error:
        if came:
            _exit(128 + came[0], _signal_message(came[0]))
        _exit_on_error(error)
    finally:
        _handle_signals(signal.SIG_IGN)


def explain_memory_errors(kind, error, where):
    """Print one sentence instead of a traceback where memory ends outside of `run_cli`, as a ``sys.excepthook``."""
    message = _memory_message(error)
    print(f"error: {message}", file=sys.stderr) if message else sys.__excepthook__(kind, error, where)


def exit_on_signals():
    """Exit at once on Ctrl-C, SIGTERM and SIGHUP, with the message of `run_cli`; for where there is nothing to clean up."""
    _handle_signals(_exit_at_once)


def _handle_signals(handler):
    for number in _SIGNAL_NAMES:
        if number != _SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup` ignores it
            signal.signal(number, handler)


def _exit_at_once(number, frame):
    os.write(2, f"{_signal_message(number)}\n".encode())  # print may be what was interrupted
    os._exit(128 + number)


def _exit_on_error(error):
    """Exit with one sentence, or raise the error if it is none that a person can fix."""
    if message := _memory_message(error):
        _exit(1, f"error: {message}")
    if isinstance(error, UserError):
        _exit(1, f"error: {error}")
    if isinstance(error, BrokenPipeError):  # the reader of the output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    if isinstance(error, OSError) and error.errno is not None:
        _exit(1, f"error: {_system_message(error)}, then run the same command again to continue")
    raise error


def _memory_message(error):
    """Say how much memory is missing and what to lower, if that is why the error or one before it was raised."""
    while error:
        text = str(error)
        if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(text):
            more = _MORE_MEMORY.search(text)
            more = more[1] if more else "some"
            if any(library in text for library in ("CUDA", "CUBLAS", "CUDNN")):
                return (
                    f"not enough memory on the GPU: {more} more is wanted: end what else uses the GPU, lower batch_size, "
                    "or set compute.device to cpu in params.yaml, then run the same command again to continue"
                )
            return (
                f"not enough memory: {_held()}wants {more} more: "
                "free some memory, or lower the number of images (sizes), batch_size or compute.workers in params.yaml, "
                "then run the same command again to continue"
            )
        error = error.__cause__ or error.__context__


def _held():
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return "this process "
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"this process holds {held / 1e9:.2f} GB and "


def _system_message(error):
    """Say what the system refused, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"no room to write {error.filename or 'a file'}: free some disk space"
    return (
        f"{error.filename or 'a file'} cannot be read or written ({error.strerror}): "
        "check the disk and the permissions of the file and its folder"
    )


def _signal_message(number):
    return f"{_SIGNAL_NAMES[number]}: run the same command again to continue"


def _exit(code, message):
    print(message, file=sys.stderr, flush=True)
    sys.exit(code)
