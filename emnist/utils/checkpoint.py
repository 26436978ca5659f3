"""What an interrupted stage continues from.

DVC deletes a stage's outputs before it runs the stage, and runs queued experiments in folders that it throws away. So
what a stage needs to continue lies in ``.dvc/tmp/continue`` of the checkout itself, one folder for each key, where the
key is a digest of all that the stage's result depends on: the files and parameters that ``dvc.yaml`` declares for it,
the versions of the libraries, and the hardware chosen. Two runs with the same key compute the same bytes, so they may
share a folder: each file in it appears whole or not at all.

DVC has a result when the checkout's ``dvc.lock`` or the run cache lists it. The ``dvc.lock`` of a queued experiment
doesn't count, since it goes with its folder.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import time
from contextlib import suppress
from fnmatch import fnmatch
from functools import reduce
from importlib.metadata import version
from pathlib import Path

import yaml

from emnist.utils.atomic import write_bytes
from emnist.utils.progress import log

MAX_BYTES = 4 * 2**30  # of all folders together; the least recently used go first


def repo_root():
    """Find the checkout that this workspace belongs to: itself, or the one whose queue an experiment runs from."""
    workspace = Path.cwd()
    for parent in workspace.parents:  # <checkout>/.dvc/tmp/exps/.../<workspace>
        if parent.name == "exps" and parent.parts[-3:-1] == (".dvc", "tmp"):
            return parent.parents[2]
    return workspace


def checkpoint_dir():
    """Name the folder of what interrupted stages continue from."""
    return repo_root() / ".dvc" / "tmp" / "continue"


def stage_key(stage, params, *more):
    """Digest all that a stage's result depends on.

    Parameters
    ----------
    stage : str
        Its name in ``dvc.yaml``.
    params : emnist.params.Params
    *more : JSON values
        What else the result depends on, such as the hardware.

    Returns
    -------
    str
    """
    values = params.model_dump(mode="json")

    def value_of(name):
        return reduce(dict.__getitem__, name.split("."), values)

    text = re.sub(r"\$\{([\w.]+)\}", lambda match: str(value_of(match[1])), Path("dvc.yaml").read_text())
    declared = yaml.safe_load(text)["stages"][stage]

    digest = hashlib.sha256()
    for name in declared.get("params", []):
        digest.update(json.dumps([name, value_of(name)]).encode())
    for path in declared["deps"]:
        for file in files_below(Path(path)):
            digest.update(json.dumps([file.as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()]).encode())
    versions = {name: version(name) for name in ("numpy", "scikit-learn", "torch")}
    digest.update(json.dumps([platform.machine(), platform.python_version(), versions, *more]).encode())
    return f"{stage}-{digest.hexdigest()[:32]}"


def files_below(path):
    """List the files of a dependency as DVC sees them: a file itself, or what `.dvcignore` leaves of a folder.

    Of ``.dvcignore`` only the patterns that hold for a name, wherever it lies, are known here.
    """
    if path.is_file():
        return [path]
    lines = Path(".dvcignore").read_text().splitlines() if Path(".dvcignore").exists() else []
    patterns = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and not any(fnmatch(part, pattern) for part in file.relative_to(path).parts for pattern in patterns)
    )


class Checkpoint:
    """Keep tensors and JSON values under a key, each save replacing the one before.

    Parameters
    ----------
    key : str
    folder : path-like, optional
    """

    def __init__(self, key, folder=None):
        self.folder = Path(folder or checkpoint_dir()) / key
        self.path = self.folder / "state"

    def save(self, tensors, info):
        """Keep a dict of tensors and a JSON value."""
        from safetensors.torch import save

        payload = save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            metadata={"info": json.dumps(info)},
        )
        write_bytes(self.path, hashlib.sha256(payload).digest(), payload)

    def load(self):
        """Give back what was saved last.

        Returns
        -------
        (dict of str to torch.Tensor, object) or None
            None if nothing was saved, or what was saved is damaged; then a line says so.
        """
        from safetensors.torch import load

        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        digest, payload = content[:32], content[32:]
        if hashlib.sha256(payload).digest() != digest:
            log(
                f"{self.folder.name}: what was kept to continue from is damaged, so the stage starts from its beginning"
            )
            return None
        header = json.loads(payload[8 : 8 + int.from_bytes(payload[:8], "little")])
        return load(payload), json.loads(header["__metadata__"]["info"])

    def mark_complete(self, *outputs):
        """Note which outputs the stage has written, the first one cached, for `remove_stale_files` to know them in DVC's records."""
        digests = [hashlib.md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest() for path in outputs]
        write_bytes(self.folder / "outputs.json", json.dumps(digests).encode())


def remove_stale_files(folder=None, max_bytes=MAX_BYTES, outputs=("data", "metrics", "plots")):
    """Remove what a kill left half written, and what is no longer needed to continue.

    Parameters
    ----------
    folder : path-like, optional
        Where results that DVC has recorded go, and the least recently used of what is beyond `max_bytes`.
    max_bytes : int
    outputs : iterable of path-like
        Where half-written files go.
    """
    for output in outputs:
        for leftover in Path(output).rglob(".*.tmp"):
            if not _is_at_work(leftover.name.split(".")[-3]):
                leftover.unlink(missing_ok=True)
    folder = Path(folder or checkpoint_dir())
    for leftover in folder.rglob(".*.tmp"):
        if max(_stats("st_mtime", leftover), default=0) < time.time() - 3600:  # a younger one may be a run's at work
            leftover.unlink(missing_ok=True)
    dvc = folder.parents[1]
    records = _texts([dvc.parent / "dvc.lock", *(dvc / "cache" / "runs").rglob("*")])
    kept = 0
    for key in sorted(folder.glob("*-*"), key=_last_used, reverse=True):
        kept += sum(_stats("st_size", *key.rglob("*")))
        if kept > max_bytes or _is_recorded(key, records, dvc / "cache" / "files" / "md5"):
            shutil.rmtree(key, ignore_errors=True)


def _is_at_work(pid):
    """Whether the process that writes a file, whose number `write_bytes` puts into its name, still lives."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def _is_recorded(key, records, cache):
    try:
        first, *others = json.loads((key / "outputs.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    # Records that came with a clone may list the very result; only the cache tells that it is here too.
    return (cache / first[:2] / first[2:]).exists() and all(md5 in records for md5 in (first, *others))


def _texts(paths):
    texts = []
    for path in paths:
        with suppress(FileNotFoundError, IsADirectoryError):
            texts.append(path.read_text())
    return "".join(texts)


def _last_used(folder):
    return max(_stats("st_mtime", *folder.rglob("*")), default=0)


def _stats(name, *files):
    """Ask for a figure of each file, in a folder in which another run may be writing and removing."""
    found = []
    for file in files:
        with suppress(FileNotFoundError):
            found.append(getattr(file.stat(), name))
    return found
