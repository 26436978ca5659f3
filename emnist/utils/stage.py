"""What DVC knows of a stage: the checkout that it belongs to, and all that its result depends on."""

import hashlib
import json
import platform
import re
from functools import reduce
from importlib.metadata import version
from pathlib import Path

from pathspec import GitIgnoreSpec

from emnist.utils.checksum import file_checksum
from emnist.utils.yaml import load_yaml


def repo_root():
    """Return the root of the checkout: the current folder or, in a queued experiment, the checkout that queued it."""
    workspace = Path.cwd()
    for parent in workspace.parents:  # <checkout>/.dvc/tmp/exps/.../<workspace>
        if parent.name == "exps" and parent.parts[-3:-1] == (".dvc", "tmp"):
            return parent.parents[2]
    return workspace


def stage_key(stage, params, *extra):
    """Compute the key (str) of a stage's checkpoint, a digest of all that its result depends on.

    That is the files and parameters that ``dvc.yaml`` declares for it, the versions of the libraries, and the hardware.

    Parameters
    ----------
    stage : str
        Its name in ``dvc.yaml``.
    params : emnist.params.Params
    *extra : JSON values
        Such as the hardware.
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
