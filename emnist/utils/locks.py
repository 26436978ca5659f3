"""Locks between processes."""

import errno
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from emnist.utils.progress import log


@contextmanager
def exclusive_lock(folder, other):
    """Hold an exclusive lock on a folder (path-like), once no other process does; a process's lock ends with it.

    The folder is created if it is missing, and given as a `Path`. `other` says in the log what holds the lock.
    Where the file system has no locks, as some of NFS, a warning takes the lock's place.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log(f"waiting for {other}")
        lock.acquire()
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
        log(f"warning: {folder} is on a file system without locks ({error.strerror}): do not start {other} beside this")
    try:
        yield folder
    finally:
        lock.release()
