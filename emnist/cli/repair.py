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
SURE_SECONDS = 3600  # in which a system writes all to the disk that it was given
CHECKED = Path(".dvc/tmp/cache-checked")  # its time is that of the last check


def add_arguments(parser):
    parser.add_argument("--all", action="store_true", help="check all of DVC's cache, also what was checked before")


def main(options):
    """Clear away what a crash or a killed run leaves.

    Half-written files are moved aside, empty folders and damaged files of DVC's cache removed, killed runs of DVC's queue
    ended. If git has no identity, this checkout gets one.

    DVC makes its files again, and finds in its run cache what is already computed.
    """
    for lock in Path(".dvc/tmp").rglob("rwlock"):
        if persists(lambda: not is_json(lock)):
            move_aside(lock)
    lock = Path("dvc.lock")
    if persists(lambda: not can_read(lock)) and is_cut_short(lock):
        move_aside(lock)
    remove_empty(Path(".dvc/cache/runs"))
    remove_damaged(Path(".dvc/cache/files/md5"), options.all)
    if Path(".dvc/tmp/exps/celery").exists():
        from emnist.comparison.experiments import fail_dead_runs  # it imports DVC, which takes a second

        if dead := fail_dead_runs():
            log(f"runs of DVC's queue that were killed, and count as failed now: {dead}")
    if Path(".git").exists() and git.configure_identity():
        log(
            "git has no name or address for you, and DVC's experiments need both: this checkout now uses "
            f"{git.config('user.name')} <{git.config('user.email')}>; `git config user.name NAME` and "
            "`git config user.email ADDRESS`, run here, replace them"
        )


def remove_empty(runs):
    """Remove the empty folders of DVC's run cache (pathlib.Path), of which DVC says `join() argument must be str`.

    DVC leaves one if it is killed between making the folder and recording a run in it.
    """
    empty = [folder for folder in runs.glob("??/*") if is_empty(folder)]
    if persists(lambda: any(map(is_empty, empty))):
        for folder in filter(is_empty, empty):
            folder.rmdir()
        log("DVC was killed while it recorded a run, which left an empty folder in its run cache, removed now")


def is_empty(folder):
    """Tell whether a folder is there and holds nothing."""
    return folder.is_dir() and not any(folder.iterdir())


def remove_damaged(cache, check_all):
    """Remove the files of DVC's cache whose content is not what their names say.

    DVC does not flush what it copies there, so a power cut can leave empty files under the right names, which it trusts.
    Unless `check_all`, files that were written more than `SURE_SECONDS` before the last check are not checked again.
    """
    sure = CHECKED.stat().st_mtime - SURE_SECONDS if CHECKED.exists() and not check_all else 0
    files = [path for path in cache.glob("??/*") if re.fullmatch(r"[0-9a-f]{30}(\.dir)?", path.name)]
    unsure = [path for path in files if path.stat().st_ctime > sure]
    damaged = [path for path in unsure if path.parent.name + path.name.removesuffix(".dir") != file_checksum(path)]
    for path in damaged:
        path.unlink()
    if damaged:
        count = "1 damaged file" if len(damaged) == 1 else f"{len(damaged)} damaged files"
        log(f"DVC's cache had {count}, as a power cut leaves them, removed now: DVC makes them again")
    if CHECKED.parent.exists():
        CHECKED.touch()


def persists(is_faulty):
    """Tell whether something is faulty, and still is a second later: a run that lives may just have been writing it."""
    if is_faulty():
        time.sleep(1)
        return is_faulty()
    return False


def can_read(lock):
    """Tell whether DVC reads its lock file."""
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    return not (listed.returncode and str(lock) in listed.stderr)


def is_json(path):
    """Tell whether a file holds JSON, or is gone."""
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:  # a run that lives has removed it
        return True
    except (ValueError, RecursionError):
        return False
    return True


def is_cut_short(path):
    """Tell whether DVC's own beginning is there and no mark of a merge, which is a person's to resolve."""
    content, beginning = path.read_bytes(), b"schema: '2.0'\n"
    return (content.startswith(beginning) or beginning.startswith(content)) and b"\n<<<<<<<" not in content


def move_aside(path):
    path.replace(f".dvc/tmp/{path.name}.half-written")
    log(f"{path} was half written when DVC was killed, so it is moved to .dvc/tmp: DVC makes it again")
