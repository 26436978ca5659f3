"""The command line: ``emnist COMMAND``. Not stages: nothing here decides a result.

Each command is a module of this package with an ``EXAMPLE``, ``add_arguments(parser)`` and ``main(options)``. It is
imported when it is asked for, and imports what is slow to import (PyTorch, pandas) only when it runs.
"""

import argparse
import importlib
import sys
from pathlib import Path

from emnist.utils.errors import UserError
from emnist.utils.names import check_name

COMMANDS = {  # a module of this package: what it does
    "predict": "Recognise the character in each picture.",
    "read": "Read the text in each picture: lines, or the fields of a form.",
    "serve": "Serve a page to draw characters on, and predictions to programs.",
    "page": "Write a page of static files that predicts in the browser, for any web server.",
    "compare": "Compare architectures: run what is missing, wait, and write the report.",
    "report": "Write the report of a comparison from the runs that have finished.",
    "repair": "Fix what keeps DVC from running, such as a file that a kill left half written.",
    "summary": "Print the results of the last run.",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message):
        raise UserError(f"{message}: `{self.prog} --help` shows what it takes")


def comma_separated(text):
    """Split an argument at its commas."""
    return text.split(",")


def main():
    """Run the command that the first argument names."""
    commands = "\n".join(f"  {name:<9} {purpose}" for name, purpose in COMMANDS.items())
    parser = Parser(
        prog="emnist",
        usage="emnist COMMAND ...",
        description="Handwritten-character recognition on EMNIST ByClass.",
        epilog=f"commands:\n{commands}\n\n`emnist COMMAND --help` shows an example and the options of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    name = parser.parse_args(sys.argv[1:2]).command
    if name is None:
        parser.print_help()
        return
    check_name(name, COMMANDS, "the command")
    try:
        run_command(name, sys.argv[2:])
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] == "emnist":
            raise
        wanted = {"predict": ".", "read": ".", "page": ".", "serve": "'.[serve]'"}.get(name, "'.[train]'")
        raise UserError(
            f"`emnist {name}` needs {error.name}, which is not installed: run `pip install {wanted}` in the clone"
        ) from None


def run_command(name, arguments):
    """Run a command with its arguments."""
    command = importlib.import_module(f"emnist.cli.{name}")
    parser = Parser(
        prog=f"emnist {name}",
        description=COMMANDS[name],
        epilog=f"example:\n  {command.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    options = parser.parse_args(arguments)
    if name in ("repair", "summary") and not Path("dvc.yaml").exists():
        raise UserError(f"`emnist {name}` works in the folder that has dvc.yaml, but {Path.cwd()} has none: go there")
    command.main(options)
