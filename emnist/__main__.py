"""The command `emnist`, also as ``python -m emnist``."""

from emnist.cli import main
from emnist.utils.errors import run_cli


def emnist():
    run_cli(main)


if __name__ == "__main__":
    emnist()
