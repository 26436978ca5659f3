"""Make DVC run again where a kill left its own files half written. Not a stage: `make repro` runs it first."""

import json
import subprocess
from pathlib import Path

from emnist.errors import run
from emnist.progress import say


def main():
    """Remove them: DVC makes them again, and finds in its run cache what is already computed."""
    for lock in Path(".dvc/tmp").rglob("rwlock"):
        try:
            json.loads(lock.read_bytes())
        except ValueError:
            remove(lock)
    done = subprocess.run(["dvc", "stage", "list"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode and "dvc.lock" in done.stderr:
        remove(Path("dvc.lock"))


def remove(path):
    path.unlink()
    say(f"{path} was half written when DVC was killed, so it is removed: DVC makes it again")


if __name__ == "__main__":
    run(main)
