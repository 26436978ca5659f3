"""Checkpoints, from which an interrupted stage resumes.

DVC deletes a stage's outputs before it runs the stage, and runs queued experiments in temporary folders. Therefore the
checkpoints are in ``.dvc/tmp/continue`` of the checkout itself, or in the folder that the environment variable
``EMNIST_CHECKPOINTS`` names, which several machines may share. There is one folder for each key. Runs with the same key
compute the same bytes, so they can share a folder; its files are written atomically.

A checkpoint is deleted once DVC has recorded the stage's result in the checkout's ``dvc.lock`` or in its run cache. The
``dvc.lock`` of a queued experiment does not count, since it is deleted with the temporary folder.
"""

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import psutil

from emnist.utils.atomic import write_bytes
from emnist.utils.checksum import file_checksum
from emnist.utils.progress import log
from emnist.utils.stage import repo_root

MAX_BYTES = 4 * 2**30  # of all checkpoints together; the least recently used are deleted first
OUTPUTS = ("data", "metrics", "plots")  # the folders in which killed processes leave half-written files


def checkpoint_dir():
    """Return the folder of all checkpoints."""
    return Path(os.environ.get("EMNIST_CHECKPOINTS") or repo_root() / ".dvc" / "tmp" / "continue")


class Checkpoint:
    """A checkpoint of tensors and a JSON value; each save replaces the one before.

    Parameters
    ----------
    key : str
        As returned by `emnist.utils.stage.stage_key`.
    folder : path-like, optional
        Holds all checkpoints; by default `checkpoint_dir`.
    """

    def __init__(self, key, folder=None):
        self.folder = Path(folder or checkpoint_dir()) / key
        self.path = self.folder / "state"

    def save(self, tensors, info):
        """Save the state of a stage: tensors (dict of str to torch.Tensor) and a JSON value."""
        from safetensors.torch import save

        payload = save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            metadata={"info": json.dumps(info)},
        )
        write_bytes(self.path, hashlib.sha256(payload).digest(), payload)

    def load(self):
        """Load the tensors and the value that were saved last.

        None if nothing was saved, or if the checkpoint is damaged, which is logged.
        """
        from safetensors.torch import load

        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        digest, payload = content[:32], content[32:]
        try:
            if hashlib.sha256(payload).digest() != digest:
                raise ValueError("its checksum is another")
            header = json.loads(payload[8 : 8 + int.from_bytes(payload[:8], "little")])
            return load(payload), json.loads(header["__metadata__"]["info"])
        except Exception:  # safetensors raises its own, and others of what a file with a sound checksum may hold
            log(f"{self.folder.name}: the checkpoint is damaged, so the stage starts from the beginning")
            return None

    def mark_complete(self, *outputs):
        """Record the checksums of the stage's outputs, by which `remove_stale_files` finds them in DVC's records.

        The first one must be in DVC's cache.
        """
        write_bytes(self.folder / "outputs", " ".join(map(file_checksum, outputs)).encode())


def remove_stale_files():
    """Remove half-written files and folders of killed processes, and checkpoints that are no longer needed."""
    for output in OUTPUTS:
        for leftover in list(Path(output).rglob(".*.tmp")):
            pid = leftover.name.split(".")[-3]  # `write_bytes` puts it there
            if pid.isdecimal() and psutil.pid_exists(int(pid)):
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
    checkpoints = sorted(((*_last_use_and_size(each), each) for each in checkpoint_dir().glob("*-*")), reverse=True)
    records, total_bytes, dvc = "", 0, repo_root() / ".dvc"
    if any((folder / "outputs").exists() for *_, folder in checkpoints):
        for path in (dvc.parent / "dvc.lock", *(dvc / "cache" / "runs").rglob("*")):
            with suppress(FileNotFoundError, IsADirectoryError):
                records += path.read_text(encoding="utf-8")
    for _, size, folder in checkpoints:
        total_bytes += size
        if total_bytes > MAX_BYTES or _is_recorded(folder, records, dvc / "cache" / "files" / "md5"):
            shutil.rmtree(folder, ignore_errors=True)


def _is_recorded(folder, records, cache):
    """Tell whether DVC has recorded the outputs of a completed stage and has the first one in its cache."""
    try:
        checksums = (folder / "outputs").read_text(errors="replace").split()
    except OSError:  # the stage has not ended, or another run has just removed the folder
        return False
    if not checksums or any(each not in records for each in checksums):
        return False
    # The dvc.lock of a clone may list the result although the clone lacks it, so the cache is checked, too.
    return (cache / checksums[0][:2] / checksums[0][2:]).exists()


def _last_use_and_size(folder):
    """Return the time of the last change of a folder's files and their bytes, without those that another run removes."""
    stats = []
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            stats.append(file.stat())
    return max((each.st_mtime for each in stats), default=0), sum(each.st_size for each in stats)
