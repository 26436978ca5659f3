"""Loads files without pickle, and writes them atomically."""

import csv
import io
import json
from itertools import chain
from pathlib import Path

import numpy as np

from emnist.utils.atomic import write_bytes
from emnist.utils.errors import explain_damage


def write_json(path, value):
    """Write `value` as indented JSON; raise `ValueError` for NaN and infinity, which JSON lacks."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def load_json(path):
    """Load a value from JSON; raise `UserError` if the file is missing or damaged."""
    with explain_damage(path, "be JSON", ValueError, RecursionError):
        return json.loads(Path(path).read_bytes())


def write_csv(path, header, rows):
    """Write `header` (iterable) and `rows` (iterable of iterables) as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(chain([header], rows))
    write_bytes(path, text.getvalue().encode())


def write_rows(path, rows):
    """Write rows (list of dict, all of the same keys) as comma-separated values below their keys."""
    write_csv(path, rows[0], [row.values() for row in rows])


def write_array(path, array):
    """Write a NumPy array of any shape and numeric dtype as ``.npy``."""
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    write_bytes(path, header.getvalue(), memoryview(array).cast("B"))


def load_array(path):
    """Map a ``.npy`` file into memory (`numpy.memmap`), copy-on-write: changes to the array do not reach the file.

    Raise `UserError` if the file is missing or damaged.
    """
    # NumPy parses the header as a Python literal, and raises what its parser raises.
    with explain_damage(path, "be a .npy array", Exception):
        return np.load(path, mmap_mode="c", allow_pickle=False)
