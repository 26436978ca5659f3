"""How long work shows that it is alive: a bar on a terminal, plain lines elsewhere."""

import sys

from tqdm import tqdm


def progress(iterable, description, total=None, unit="it"):
    """Wrap `iterable` in a progress bar on a terminal, and leave it alone elsewhere.

    Parameters
    ----------
    iterable : iterable
    description : str
    total : int, optional
    unit : str

    Returns
    -------
    iterable
    """
    return tqdm(iterable, description, total, unit=unit, leave=False, disable=not sys.stderr.isatty(), mininterval=0.5)


def log(line):
    """Print a line at once, above a bar if there is one."""
    tqdm.write(line)
    sys.stdout.flush()
