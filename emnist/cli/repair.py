"""Repairs of what keeps DVC from running. `make repro` runs them first."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from emnist.utils import git
from emnist.utils.checksum import file_checksum
from emnist.utils.progress import log

EXAMPLE = "emnist repair && dvc repro"


def add_arguments(parser):
    pass


def main(options):
    """Move half-written files aside, remove empty folders and damaged files from DVC's cache, end runs of DVC's queue that
    were killed, and give this checkout an identity if git has none.

    DVC makes its files again, and finds in its run cache what is already computed.
    """
    for lock in Path(".dvc/tmp").rglob("rwlock"):
        if not is_json(lock) and not settled(lambda: is_json(lock)):
            move_aside(lock)
    lock = Path("dvc.lock")
    if not can_read(lock) and not settled(lambda: can_read(lock)) and is_cut_short(lock):
        move_aside(lock)
    remove_empty(Path(".dvc/cache/runs"))
    remove_damaged(Path(".dvc/cache/files/md5"))
    if Path(".dvc/tmp/exps/celery").exists():
        fail_dead_runs()
    if Path(".git").exists() and git.configure_identity():
        log(
            "git has no name or address for you, and DVC's experiments need both: this checkout now uses "
            f"{git.config('user.name')} <{git.config('user.email')}>; `git config user.name NAME` and "
            "`git config user.email ADDRESS`, run here, replace them"
        )


def fail_dead_runs():
    """Let DVC's queue take killed runs for failed: while they count as running, `dvc exp show` can fail."""
    from emnist.comparison import experiments  # which imports DVC, a second

    if dead := experiments.fail_dead_runs():
        log(f"runs of DVC's queue that were killed, and count as failed now: {dead}")


def remove_empty(runs):
    """Remove the empty folders of DVC's run cache (pathlib.Path), of which DVC says `join() argument must be str`.

    DVC leaves one if it is killed between making the folder and recording a run in it.
    """
    empty = [folder for folder in runs.glob("??/*") if is_empty(folder)]
    if empty and not settled(lambda: not any(map(is_empty, empty))):
        for folder in filter(is_empty, empty):
            folder.rmdir()
        log("DVC was killed while it recorded a run, which left an empty folder in its run cache, removed now")


def is_empty(folder):
    """Whether a folder is there and holds nothing."""
    return folder.is_dir() and not any(folder.iterdir())


def remove_damaged(cache):
    """Remove the files of DVC's cache (pathlib.Path) whose content is not what their names say.

    DVC does not flush what it copies there, so a power cut can leave empty files under the right names, which it trusts.
    """
    damaged = [
        path for path in cache.glob("??/*") if re.fullmatch(r"[0-9a-f]{30}(\.dir)?", path.name) and not is_sound(path)
    ]
    for path in damaged:
        path.unlink()
    if damaged:
        files = "1 damaged file" if len(damaged) == 1 else f"{len(damaged)} damaged files"
        log(f"DVC's cache had {files}, as a power cut leaves them, removed now: DVC makes them again")


def is_sound(path):
    """Whether a file of DVC's cache has the checksum that is its name."""
    return path.parent.name + path.name.removesuffix(".dir") == file_checksum(path)


def settled(is_sound):
    """Whether a file is sound after all a second later: a run that lives may just have been writing it."""
    time.sleep(1)
    return is_sound()


def can_read(lock):
    """Whether DVC reads its lock file."""
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    return not (listed.returncode and str(lock) in listed.stderr)


def is_json(path):
    """Whether a file holds JSON, or is gone."""
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:  # a run that lives has removed it
        return True
    except (ValueError, RecursionError):
        return False
    return True


def is_cut_short(path):
    """Whether DVC's own beginning is there and no mark of a merge, which is a person's to resolve."""
    content, beginning = path.read_bytes(), b"schema: '2.0'\n"
    return (content.startswith(beginning) or beginning.startswith(content)) and b"\n<<<<<<<" not in content


def move_aside(path):
    path.replace(f".dvc/tmp/{path.name}.half-written")
    log(f"{path} was half written when DVC was killed, so it is moved to .dvc/tmp: DVC makes it again")
