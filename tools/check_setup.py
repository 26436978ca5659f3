"""Checks of the folder and the machine, before `make` runs or installs anything.

``python3 tools/check_setup.py project repro`` or ``python3 tools/check_setup.py installation repro`` exits with one
sentence if something is missing for ``make repro``. Any Python from 3.7 on can run this; nothing need be installed.
"""

import getpass
import os
import shutil
import subprocess
import sys

SUPPORTED = [(3, 11), (3, 12), (3, 13)]
GIGABYTES = 7 if sys.platform.startswith("linux") else 3  # on Linux torch brings CUDA along


def check_project():
    """Say what keeps DVC from working in this folder, and what to do, or give None."""
    if not shutil.which("git"):
        return "git should be installed, but is not found: install it"
    try:
        getpass.getuser()
    except (KeyError, OSError):
        return f"DVC needs a name for this user, but number {os.getuid()} has none: run `export LOGNAME=me`"
    git = subprocess.run(["git", "rev-parse"], capture_output=True)
    if b"dubious ownership" in git.stderr:
        return (
            "git should trust this folder, but it belongs to another user: "
            f"run `git config --global --add safe.directory '{os.getcwd()}'`"
        )
    if git.returncode:
        return (
            "this folder should be a git repository, which DVC needs, but is none: "
            "run `git init -b main && git add -A && git commit -m Start`"
        )
    if os.path.exists(".venv/installed"):
        if not runs(".venv/bin/python", "pass"):
            return ".venv should hold a Python that starts, but it does not: remove it with `rm -r .venv`"
        made_at = venv_settings().get("command", "").partition(" -m venv ")[2]
        if made_at and os.path.realpath(made_at) != os.path.dirname(os.path.realpath(".venv/pyvenv.cfg")):
            return (
                ".venv should be used where it was made, but this folder was moved or copied, and its commands start "
                f"what is in {made_at}: remove it with `rm -r .venv`"
            )


def check_installation():
    """Say what keeps the installation from succeeding, and what to do, or give None."""
    version = sys.version_info[:2]
    if version not in SUPPORTED:
        return (
            f"Python 3.11 to 3.13 is needed, but {os.path.basename(sys.executable)} is {dotted(version)}: "
            "install one, name it with `export PYTHON=python3.12`"
        )
    if not runs(sys.executable, "import ensurepip, venv"):
        return (
            "Python should come with its module venv, but this one lacks it: "
            f"install it, on Debian and Ubuntu with `sudo apt install python{dotted(version)}-venv`"
        )
    if os.path.lexists(".venv"):
        found = venv_version()
        if found is None or not runs(".venv/bin/python", "import pip"):
            return ".venv should be a virtual environment, but is incomplete: remove it with `rm -r .venv`"
        if found != version:
            return (
                f".venv should be of Python {dotted(version)}, but is of {dotted(found)}: remove it with `rm -r .venv`"
            )
    if not os.path.exists(".venv/installed"):
        free = shutil.disk_usage(".").free
        if free < GIGABYTES * 10**9:
            return f"the installation needs {GIGABYTES} GB of disk, but {free / 10**9:.1f} GB are free: free some more"


def venv_version():
    """Return the version of the Python that .venv was made with; None if it does not say."""
    try:
        major, minor = venv_settings()["version"].split(".")[:2]
        return int(major), int(minor)
    except (KeyError, ValueError):
        return None


def venv_settings():
    """Return what .venv says of how it was made; empty if it says nothing."""
    try:
        with open(".venv/pyvenv.cfg", encoding="utf-8") as file:
            return dict(map(str.strip, line.split("=", 1)) for line in file if "=" in line)
    except (OSError, ValueError):
        return {}


def runs(python, code):
    """Whether a Python runs a line of code."""
    try:
        return not subprocess.run([python, "-c", code], capture_output=True).returncode
    except OSError:
        return False


def dotted(version):
    return ".".join(map(str, version))


if __name__ == "__main__":
    check, *targets = sys.argv[1:]
    fault = {"project": check_project, "installation": check_installation}[check]()
    if fault:
        sys.exit(f"error: {fault}, then run `{' '.join(['make', *targets])}` again")
