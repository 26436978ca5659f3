"""Measurements that take longer than the tests. Each module is a command: ``python -m benchmarks.NAME --help``.

This module holds what they share, and lets them import the helpers of the tests.
"""

import argparse
import sys
from pathlib import Path

import emnist  # noqa: F401  before torch, since it sets an environment variable that torch's threads need
from emnist.cli import Parser, comma_separated
from emnist.cli.compare import numbers  # noqa: F401  for the arguments of benchmarks
from emnist.utils.names import check_name

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

FOLDERS = {  # in the official layout, and their files
    "FOLDER": "emnist-byclass-test-images-idx3-ubyte.gz",
    "MNIST_FOLDER": "t10k-images-idx3-ubyte.gz",
}


def make_parser(doc, *folders):
    """Make an argument parser that shows a module's docstring (str) as it is, and takes some of `FOLDERS`."""
    parser = Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in folders:
        parser.add_argument(name.lower(), metavar=name, help=f"folder of {FOLDERS[name]} and the like")
    return parser


def add_names(parser, option, choices):
    """Let a parser take some of the choices (iterable of str), with commas between them; all by default."""

    def parse(text):
        for name in comma_separated(text):
            check_name(name, choices, option)
        return comma_separated(text)

    parser.add_argument(option, type=parse, default=list(choices), help=f"of {', '.join(choices)}; all by default")


def make_parser_of_pictures(doc, *folders, what="images", count=None):
    """Make a parser of a benchmark that reads pictures of images in the official layout, `count` of `what` by default."""
    from emnist.reading.network import DEFAULT  # not every benchmark needs ONNX Runtime

    parser = make_parser(doc, *folders)
    parser.add_argument("--part", choices=["train", "test"], default="test", help="default: %(default)s")
    parser.add_argument("--count", type=int, default=count, help=f"{what} (default: {count or 'all'})")
    parser.add_argument("--model", default=DEFAULT)
    return parser


def load_both(folder, mnist_folder, part="test"):
    """Load the images of EMNIST's layout and of MNIST's: a list of (name, images, labels, classes to choose among)."""
    from emnist.data.datasets import load_emnist, load_mnist

    return [
        (Path(mnist_folder).name, *load_mnist("t10k" if part == "test" else part, mnist_folder), 10),
        (Path(folder).name, *load_emnist(part, folder=folder), 62),
    ]


def print_row(*cells):
    """Print a row of a Markdown table."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def print_header(*columns):
    """Print the header of a Markdown table."""
    print_row(*columns)
    print("|" + " --- |" * len(columns), flush=True)
