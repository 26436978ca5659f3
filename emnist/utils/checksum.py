"""Checksums of files."""

import hashlib


def file_checksum(path, algorithm="md5"):
    """Compute the checksum of a file's bytes in hexadecimal digits (str), by default that of DVC's records."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
