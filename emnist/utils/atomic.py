"""Atomic file writes."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_bytes(path, *chunks):
    """Write a file atomically: a reader sees the old file or the whole new one.

    Parameters
    ----------
    path : path-like
        Its folder is created if it is missing.
    *chunks : bytes-like
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}.", suffix=".tmp")
    try:
        with open(descriptor, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):  # the signal may come just after the file was renamed
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
