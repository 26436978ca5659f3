"""Progress bars and log lines."""

import sys

from tqdm import tqdm

tqdm.monitor_interval = 0  # a bar that is late needs no thread that updates it


def progress(iterable, description, total=None, unit="it"):
    """Show a progress bar while iterating, if standard error is a terminal.

    `total` is the number of items, if the iterable has no length, and `unit` the name of one.
    """
    return tqdm(iterable, description, total, unit=unit, leave=False, disable=None, mininterval=0.5)


def log(line):
    """Print a line (str) without buffering, above a progress bar if there is one."""
    tqdm.write(line)
    sys.stdout.flush()
