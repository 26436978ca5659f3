"""Git's identity, without which DVC refuses most experiments.

Git guesses a name and an address where none is configured, if it can. DVC does not.
"""

import os
import subprocess
from contextlib import suppress

FALLBACK = {"name": "EMNIST pipeline", "email": "emnist@localhost"}
ROLES = ("AUTHOR", "COMMITTER")


def missing_identity():
    """List which of ``name`` and ``email`` neither git's configuration nor the environment gives."""
    return [
        part
        for part in FALLBACK
        if not config(f"user.{part}") and not all(os.environ.get(f"GIT_{role}_{part.upper()}") for role in ROLES)
    ]


def environment_with_identity():
    """Give the environment for DVC: as it is, or with an identity where none is configured."""
    environment = dict(os.environ)
    if missing_identity():
        for part, fallback in FALLBACK.items():
            for role in ROLES:
                name = f"GIT_{role}_{part.upper()}"
                environment[name] = environment.get(name) or config(f"user.{part}") or fallback
    return environment


def configure_identity():
    """Configure in this checkout alone what is missing of an identity, and list it."""
    missing = missing_identity()
    for part in missing:
        _git("config", "--local", f"user.{part}", FALLBACK[part])
    return missing


def config(name):
    """Give a value of git's configuration, empty if it has none."""
    return _git("config", "--get", name).strip()


def _git(*arguments):
    with suppress(FileNotFoundError):
        return subprocess.run(["git", *arguments], stdout=subprocess.PIPE, text=True).stdout
    return ""
