"""Measurements that take longer than the tests. Each module is a command: ``python -m benchmarks.NAME --help``.

This module holds what they share, and lets them import the helpers of the tests.
"""

import argparse
import sys
from pathlib import Path

import emnist  # noqa: F401  before torch, since it sets an environment variable that torch's threads need
from emnist.cli import names  # noqa: F401  for the arguments of benchmarks, as the next
from emnist.cli.compare import numbers  # noqa: F401

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def make_parser(doc):
    """Make an argument parser that shows a module's docstring (str) as it is."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def print_row(*cells):
    """Print a row of a Markdown table."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def print_header(*columns):
    """Print the header of a Markdown table."""
    print_row(*columns)
    print("|" + " --- |" * len(columns), flush=True)
