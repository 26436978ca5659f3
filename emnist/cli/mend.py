"""Make DVC run again where a kill left its own files half written. Not a stage: `make repro` runs it first."""

import json
import subprocess
from pathlib import Path

from emnist.utils.errors import run_cli
from emnist.utils.progress import log


def main():
    """Move them aside: DVC makes them again, and finds in its run cache what is already computed."""
    for lock in Path(".dvc/tmp").rglob("rwlock"):
        try:
            json.loads(lock.read_bytes())
        except ValueError:
            move_aside(lock)
    done = subprocess.run(["dvc", "stage", "list"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lock = Path("dvc.lock")
    if done.returncode and "dvc.lock" in done.stderr and is_cut_short(lock.read_text()):
        move_aside(lock)


def is_cut_short(text):
    """Whether DVC's own beginning is there and no mark of a merge, which is a person's to resolve."""
    beginning = "schema: '2.0'\n"
    return (text.startswith(beginning) or beginning.startswith(text)) and "\n<<<<<<<" not in text


def move_aside(path):
    path.replace(f".dvc/tmp/{path.name}.half-written")
    log(f"{path} was half written when DVC was killed, so it is moved to .dvc/tmp: DVC makes it again")


if __name__ == "__main__":
    run_cli(main)
