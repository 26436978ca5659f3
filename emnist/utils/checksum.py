"""Checksums of files."""

import hashlib


def file_checksum(path, algorithm="md5"):
    """Compute the checksum of a file's bytes, by default that of DVC's records.

    Parameters
    ----------
    path : path-like
    algorithm : str
        As `hashlib.new` takes it.

    Returns
    -------
    str
        In hexadecimal digits.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
