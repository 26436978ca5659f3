"""Downloads that outlast broken connections, kills, and servers that send something else."""

import hashlib
import os
import time
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import requests
import urllib3
from tqdm import tqdm

from emnist.utils.errors import UserError
from emnist.utils.progress import log

CHUNK = 2**17  # bytes, the most that a kill can lose
ATTEMPTS = 5  # in a row that bring nothing new, before a mirror is given up
LINE_EVERY = 2**25  # bytes between two lines of progress where there is no terminal


class Mirror(NamedTuple):
    """An address of a file, and the checksum published for it (either of the two)."""

    url: str
    md5: str | None = None
    sha256: str | None = None


class MirrorFailed(Exception):
    """Why a mirror is not worth another attempt."""


class _Interrupted(Exception):
    """Why an attempt failed, where another may succeed."""


def fetch(mirrors, path, back_off=1.0, timeout=30.0):
    """Download a file, from the first mirror that sends the bytes its checksum promises.

    What has arrived lies in ``<path>.partial``, from where the next call continues, with the same mirror or
    another. The file itself appears only when it is whole; one that is already there is not downloaded again.

    Parameters
    ----------
    mirrors : sequence
        Tried in order; each has the attributes of `Mirror`.
    path : path-like
        In a folder that no other process downloads to at the same time.
    back_off : float
        Seconds to wait after the first failure; doubled with each further one.
    timeout : float
        Seconds without an answer that count as a failure.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    UserError
        If every mirror fails, with the reason of each.
    """
    path = Path(path)
    if path.exists() and not all(checksum_error(path, mirror) for mirror in mirrors):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    reasons = []
    for mirror in mirrors:
        try:
            _download(mirror, partial, back_off, timeout)
        except MirrorFailed as reason:
            log(f"{mirror.url} {reason}")
            reasons.append(f"{mirror.url} {reason}")
        else:
            os.replace(partial, path)
            return path
    raise UserError(
        f"no mirror sent {path.name}: {'; '.join(reasons)}; check the network, add a mirror to "
        "params.yaml, or get the files by other means and set `source: folder`"
    )


def _download(mirror, partial, back_off, timeout):
    inherited = furthest = _size(partial)
    failures = 0
    while True:
        try:
            _receive(mirror.url, partial, timeout)
        except _Interrupted as reason:
            failures = failures + 1 if _size(partial) <= furthest else 1
            furthest = max(furthest, _size(partial))
            if failures == ATTEMPTS:
                raise MirrorFailed(reason) from None
            wait = back_off * 2 ** (failures - 1)
            log(f"{mirror.url} {reason}: trying again in {wait:g} s")
            time.sleep(wait)
            continue
        wrong = checksum_error(partial, mirror)
        if not wrong:
            return
        partial.unlink()
        if not inherited:
            raise MirrorFailed(wrong)
        inherited = 0  # what an earlier run or another mirror left may be to blame: once more, from the start


def _receive(url, partial, timeout):
    """Append to `partial` what it lacks."""
    have = _size(partial)
    # Not compressed on the way: these are the bytes of which the checksum is published.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            status = response.status_code
            if status == 416 and have:
                return  # nothing lies beyond what is here
            if status in (408, 429) or status >= 500:
                raise _Interrupted(f"answered {status} {response.reason}")
            if status not in (200, 206):
                raise MirrorFailed(f"answered {status} {response.reason}")
            length = response.raw.length_remaining
            chunks = response.raw.stream(CHUNK, decode_content=False)
            first = next(chunks, b"")
            if response.headers.get("Content-Type", "").startswith("text/html") or first.lstrip()[
                :14
            ].lower().startswith((b"<!doctype html", b"<html")):
                raise MirrorFailed("sent a web page instead of the file")
            _append(partial, have if status == 206 else 0, chain([first], chunks), length)
    except ValueError:  # as which requests counts every malformed address
        raise MirrorFailed("is not a web address") from None
    except requests.Timeout:
        raise _Interrupted(f"did not answer for {timeout:g} s") from None
    except requests.exceptions.SSLError:
        raise _Interrupted("could not be reached safely, its certificate was not accepted") from None
    except requests.RequestException:
        raise _Interrupted("could not be reached") from None
    except urllib3.exceptions.HTTPError:
        raise _Interrupted(f"broke off after {_size(partial):,} bytes") from None


def _append(partial, have, chunks, length):
    name, total = partial.stem, have + length if length else None
    try:
        with (
            open(partial, "ab" if have else "wb") as file,
            tqdm(desc=name, initial=have, total=total, unit="B", unit_scale=True, disable=None) as bar,
        ):
            for chunk in chunks:
                file.write(chunk)
                file.flush()
                bar.update(len(chunk))
                if bar.disable and file.tell() % LINE_EVERY < len(chunk):
                    log(f"{name}: {file.tell():,} bytes" + (f" of {total:,}" if total else ""))
    except OSError as error:
        error.filename = error.filename or str(partial)
        raise


def _size(path):
    return path.stat().st_size if path.exists() else 0


def checksum_error(path, mirror):
    """Say how the file differs from what the mirror promises; nothing if it does not."""
    algorithm, expected = ("sha256", mirror.sha256) if mirror.sha256 else ("md5", mirror.md5)
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    return found != expected and f"sent {_size(path):,} bytes of {algorithm} {found}, not {expected}"
