"""Loads files without pickle, and writes them atomically."""

import csv
import io
import json
import sys
from itertools import chain
from pathlib import Path

import numpy as np

from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError, explain_damage
from emnist.utils.names import shorten

MAX_HEADER = 1000  # largest number of bytes of a .npy file's header, which is a Python literal


def write_json(path, value):
    """Write `value` as indented JSON; raise `ValueError` for NaN and infinity, which JSON lacks."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def load_json(path, *numbers):
    """Load a JSON file.

    Parameters
    ----------
    path : path-like
    *numbers : str
        Keys that the file must have, each with a finite number.

    Returns
    -------
    dict, or another JSON value if no `numbers` are given

    Raises
    ------
    UserError
        If the file is missing, is not JSON, or lacks one of the numbers.
    """
    with explain_damage(path, "be JSON", ValueError, RecursionError):
        value = json.loads(Path(path).read_bytes())
    for name in numbers:
        number = value.get(name) if isinstance(value, dict) else None
        if not isinstance(number, (int, float)) or not abs(number) <= sys.float_info.max:
            raise UserError(
                f"{path} should have a number {name}, but has {shorten(number)}: delete it and run `dvc repro`"
            )
    return value


def write_csv(path, header, rows):
    """Write `header` (iterable) and `rows` (iterable of iterables) as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(chain([header], rows))
    write_bytes(path, text.getvalue().encode())


def write_array(path, array):
    """Write a NumPy array of any shape and numeric dtype as ``.npy``."""
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    write_bytes(path, header.getvalue(), memoryview(array).cast("B"))


def load_array(path, dtype, ndim):
    """Map a ``.npy`` file into memory, copy-on-write: changes to the array do not reach the file.

    Parameters
    ----------
    path : path-like
    dtype : dtype-like
        The data type that the file must hold.
    ndim : int
        The number of dimensions that the array must have.

    Returns
    -------
    numpy.memmap

    Raises
    ------
    UserError
        If the file is missing, damaged, or holds another type or number of dimensions.
    """
    # NumPy parses the header as a Python literal, and raises what its parser raises.
    with explain_damage(path, "be a .npy array", Exception):
        # The type is checked first, because mapping some types ends the process.
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            shape, _, found = np.lib.format.read_array_header_1_0(file, max_header_size=MAX_HEADER)
        if found == np.dtype(dtype) and len(shape) == ndim:
            return np.load(path, mmap_mode="c", allow_pickle=False)
    expected = f"{ndim}-dimensional {np.dtype(dtype)}"
    raise UserError(f"{path} should hold {expected}, but holds something else: delete it and run `dvc repro`")
