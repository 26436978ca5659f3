"""Start of the command ``emnist``, in a module that no other project's package ``emnist`` can hide."""

import importlib.util
import sys


def main():
    """Run the command, or exit with one sentence if Python finds another package of the same name."""
    try:
        from emnist import set_environment  # noqa: F401 - which the other package lacks
        from emnist.__main__ import emnist
    except ImportError:
        found = importlib.util.find_spec("emnist")
        sys.exit(
            f"error: the package emnist should be this project's, but {found.origin if found else 'nothing'} is found: "
            "run `pip uninstall emnist`, then install this project again by `pip install .` in its clone"
        )
    emnist()
