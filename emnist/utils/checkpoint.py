"""Checkpoints, from which an interrupted stage resumes.

DVC deletes a stage's outputs before it runs the stage, and runs queued experiments in temporary folders. Therefore the
checkpoints are in ``.dvc/tmp/continue`` of the checkout itself, or in the folder that the environment variable
``EMNIST_CHECKPOINTS`` names, which several machines may share. There is one folder for each key. A key is a digest of
all that the stage's result depends on: the files and parameters that ``dvc.yaml`` declares for it, the versions of the
libraries, and the hardware. Runs with the same key compute the same bytes, so they can share a folder; its files are
written atomically.

A checkpoint is deleted once DVC has recorded the stage's result in the checkout's ``dvc.lock`` or in its run cache. The
``dvc.lock`` of a queued experiment does not count, since it is deleted with the temporary folder.
"""

import hashlib
import json
import os
import platform
import re
import shutil
from contextlib import suppress
from functools import reduce
from importlib.metadata import version
from pathlib import Path

import psutil
from pathspec import GitIgnoreSpec

from emnist.utils.atomic import write_bytes
from emnist.utils.checksum import file_checksum
from emnist.utils.progress import log
from emnist.utils.yaml import load_yaml

MAX_BYTES = 4 * 2**30  # of all checkpoints together; the least recently used are deleted first
OUTPUTS = ("data", "metrics", "plots")  # the folders in which killed processes leave half-written files


def repo_root():
    """Return the root of the checkout: the current folder or, in a queued experiment, the checkout that queued it."""
    workspace = Path.cwd()
    for parent in workspace.parents:  # <checkout>/.dvc/tmp/exps/.../<workspace>
        if parent.name == "exps" and parent.parts[-3:-1] == (".dvc", "tmp"):
            return parent.parents[2]
    return workspace


def checkpoint_dir():
    """Return the folder of all checkpoints."""
    return Path(os.environ.get("EMNIST_CHECKPOINTS") or repo_root() / ".dvc" / "tmp" / "continue")


def stage_key(stage, params, *extra):
    """Compute the key (str) of a stage's checkpoint, a digest of all that its result depends on.

    Parameters
    ----------
    stage : str
        Its name in ``dvc.yaml``.
    params : emnist.params.Params
    *extra : JSON values
        Anything else that the result depends on, such as the hardware.
    """
    values = params.model_dump(mode="json")
    declared = load_stage(stage, values)

    digest = hashlib.sha256()
    for name in declared.get("params", []):
        digest.update(json.dumps([name, _value_of(name, values)]).encode())
    for path in declared["deps"]:
        for file in files_below(Path(path)):
            digest.update(json.dumps([file.as_posix(), file_checksum(file, "sha256")]).encode())
    versions = {name: version(name) for name in ("numpy", "scikit-learn", "torch")}
    digest.update(json.dumps([platform.machine(), platform.python_version(), versions, *extra]).encode())
    return f"{stage}-{digest.hexdigest()[:32]}"


def load_stage(stage, values):
    """Read what ``dvc.yaml`` declares for a stage (dict); parameters (dict) take the place of ``${NAME}``."""
    text = re.sub(
        r"\$\{([\w.]+)\}", lambda match: str(_value_of(match[1], values)), Path("dvc.yaml").read_text(encoding="utf-8")
    )
    return load_yaml(text)["stages"][stage]


def _value_of(name, values):
    return reduce(dict.__getitem__, name.split("."), values)


def files_below(path):
    """List the files of a dependency (pathlib.Path) as DVC sees them: itself, or a folder's files that are not ignored."""
    if path.is_file():
        return [path]
    lines = Path(".dvcignore").read_text(encoding="utf-8").splitlines() if Path(".dvcignore").exists() else []
    ignored = GitIgnoreSpec.from_lines(lines)
    return sorted(file for file in path.rglob("*") if file.is_file() and not ignored.match_file(file))


class Checkpoint:
    """A checkpoint of tensors and a JSON value; each save replaces the one before.

    Parameters
    ----------
    key : str
        As returned by `stage_key`.
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
        """Record the checksums of the stage's outputs (path-like), by which `remove_stale_files` finds them in DVC's records.

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
    outputs = folder / "outputs"
    checksums = outputs.read_text(errors="replace").split() if outputs.exists() else []
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
