"""Git: its commands, and the identity without which DVC refuses most experiments.

Git guesses a name and an address where none is configured, if it can. DVC does not.
"""

import os
import subprocess

from emnist.utils.errors import UserError

FALLBACK = {"name": "EMNIST pipeline", "email": "emnist@localhost"}
ROLES = ("AUTHOR", "COMMITTER")


class GitError(UserError):
    """git has failed; the message is its own."""


def git(*arguments, stdin=b""):
    """Run git on some bytes and return what it printed (bytes); `GitError` if it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, input=stdin)
    if done.returncode:
        raise GitError(f"`git {' '.join(arguments)}` failed: {' '.join(done.stderr.decode(errors='replace').split())}")
    return done.stdout


def read_committed(rev, path):
    """Return a file's content (bytes) in a commit; the path is relative to the current folder."""
    return git("show", f"{rev}:./{path}")


def head_commit():
    """Return the hash (str) of the checkout's commit."""
    return git("rev-parse", "HEAD").decode().strip()


def missing_identity():
    """List which of ``name`` and ``email`` neither git's configuration nor the environment gives."""
    return [
        part
        for part in FALLBACK
        if not config(f"user.{part}") and not all(os.environ.get(f"GIT_{role}_{part.upper()}") for role in ROLES)
    ]


def environment_with_identity():
    """Return the environment for DVC: as it is, or with an identity where none is configured."""
    environment = dict(os.environ)
    for part in missing_identity():
        for name in (f"GIT_{role}_{part.upper()}" for role in ROLES):
            environment[name] = environment.get(name) or FALLBACK[part]
    return environment


def configure_identity():
    """Configure in this checkout alone what is missing of an identity, and list it."""
    git("rev-parse", "--git-dir")  # which says what to do if git distrusts this folder, as `config` does not
    missing = missing_identity()
    for part in missing:
        git("config", "--local", f"user.{part}", FALLBACK[part])
    return missing


def config(name):
    """Return a value of git's configuration, empty if it has none or git is missing."""
    try:
        return git("config", "--get", name).decode().strip()
    except (GitError, FileNotFoundError):
        return ""
