"""Locks between processes."""

import errno
from contextlib import contextmanager
from pathlib import Path

from emnist.utils.progress import log


def lock_file(file):
    """Lock an open file until it is closed or its process ends; `BlockingIOError` if another process has locked it."""
    try:
        import fcntl
    except ModuleNotFoundError:  # on Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(errno.EAGAIN, error.strerror) from None
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def exclusive_lock(folder, other):
    """Hold an exclusive lock on a folder, once no other process does; a process's lock ends with it.

    Where the file system has no locks, as some of NFS, a warning takes the lock's place.

    Parameters
    ----------
    folder : path-like
        Is created if it is missing.
    other : str
        What holds the lock meanwhile, for the log.

    Yields
    ------
    pathlib.Path
        `folder`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a") as lock:
        try:
            lock_file(lock)
        except BlockingIOError:
            import fcntl  # imported here, since Windows has none, on which no lock is waited for

            log(f"waiting for {other}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
            log(
                f"warning: {folder} is on a file system without locks ({error.strerror}): do not start {other} beside this"
            )
        yield folder
