"""What a folder holds, told by a short text, without reading again what has not changed."""

import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from emnist.utils.atomic import write_bytes
from emnist.utils.checksum import file_checksum
from emnist.utils.progress import progress
from emnist.utils.stage import repo_root

KNOWN = ".dvc/tmp/folders.json"  # of each file its size and times, and its checksum


def fingerprint(folder):
    """Compute a checksum (str) of the names and contents of all files in a folder (path-like), hidden ones left out.

    A file is read only if its size, its times or its place on the disk differ from those at the last call, which `KNOWN`
    remembers, as DVC does of its own files. A relative path starts at the root of the checkout.
    """
    folder = repo_root() / Path(folder).expanduser()
    path, known = repo_root() / KNOWN, {}
    with suppress(OSError, ValueError, AttributeError):  # then all is read again
        known = dict(json.loads(path.read_bytes()))
    before, now = known.get(str(folder), {}), {}
    for name, status in progress(sorted(_list_files(folder)), "looking for changes", unit="files"):
        seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        *as_before, checksum = before.get(name, [None])
        now[name] = [*seen, checksum if seen == as_before else file_checksum(folder / name)]
    if now != before:
        write_bytes(path, json.dumps(known | {str(folder): now}).encode())
    return sha256(json.dumps([[name, each[-1]] for name, each in now.items()]).encode()).hexdigest()


def _list_files(folder):
    """Yield the path below a folder, and the status, of each file."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each[0] != "."]
        for path in (os.path.join(parent, name) for name in files if name[0] != "."):
            if os.path.isfile(path):  # no pipe, and no link that leads nowhere
                yield os.path.relpath(path, folder), os.stat(path)
