"""Atomic file writes, and temporary folders."""

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path


def write_bytes(path, *chunks):
    """Write bytes to a file atomically: a reader sees the old file or the whole new one.

    Its folder is created if it is missing.
    """
    path, temporary = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}.", suffix=".tmp")
        with open(descriptor, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.chmod(temporary, 0o644)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP):  # CIFS and others have no permissions
                raise
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # the file may have been renamed, or the disk may refuse this, too
            if temporary:
                os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


@contextmanager
def temporary_folder(parent, name):
    """Create a folder in `parent` (path-like) and remove it at the end; `remove_stale_files` finds a killed run's."""
    Path(parent).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{name}.{os.getpid()}.", suffix=".tmp") as folder:
        yield Path(folder)
