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


def make_parser_of_pictures(doc, what, count):
    """Make a parser of a benchmark that reads pictures of images in the official layout, `count` of `what` by default."""
    from emnist.reading.network import DEFAULT  # not every benchmark needs ONNX Runtime

    parser = make_parser(doc)
    parser.add_argument("folder", metavar="FOLDER", help="folder of emnist-byclass-*.gz")
    parser.add_argument("--part", choices=["train", "test"], default="test", help="default: %(default)s")
    parser.add_argument("--count", type=int, default=count, help=f"{what} (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT)
    return parser


def print_row(*cells):
    """Print a row of a Markdown table."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def print_header(*columns):
    """Print the header of a Markdown table."""
    print_row(*columns)
    print("|" + " --- |" * len(columns), flush=True)
