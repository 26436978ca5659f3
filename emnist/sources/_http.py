"""Resumable downloads from a list of mirrors, verified by checksum."""

import os
import time
from itertools import chain
from pathlib import Path
from typing import Annotated

import requests
import urllib3
from pydantic import Field, model_validator
from tqdm import tqdm

from emnist.utils.checksum import file_checksum
from emnist.utils.errors import UserError
from emnist.utils.progress import log
from emnist.utils.schema import Section

CHUNK = 2**17  # bytes; a killed download loses at most this many
ATTEMPTS = 5  # a mirror has failed after so many attempts in a row without progress
BACK_OFF = 1.0  # seconds to wait after the first failure; doubled after each further one
TIMEOUT = 30.0  # seconds without an answer after which an attempt has failed
LINE_EVERY = 2**25  # bytes between log lines where there is no terminal
MAX_BYTES = 2**31  # no mirror can fill the disk with more; EMNIST's archive has a quarter of this


class Mirror(Section):
    """The address of a file, and its published checksum: MD5 or SHA-256, as hexadecimal digits."""

    url: str
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def has_a_checksum(self):
        if not (self.md5 or self.sha256):
            raise ValueError("should have the published md5 or sha256")
        return self


class MirrorFailed(Exception):
    """A failure of a mirror for which another attempt is useless; the message is the reason."""


class _AttemptFailed(Exception):
    """A failure after which another attempt may succeed; the message is the reason."""


def fetch(mirrors, path, by_hand):
    """Download a file from the first mirror whose bytes match their checksum.

    Downloaded bytes are stored in ``<path>.partial``, from which the next call resumes, with any mirror. The file
    itself appears only once it is complete; an existing file with the right checksum is not downloaded again.

    Parameters
    ----------
    mirrors : sequence of Mirror
        Tried in order.
    path : path-like
        In a folder to which no other process downloads at the same time.
    by_hand : iterable of str
        For the error: the files that a person can get by other means instead.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    UserError
        If every mirror fails; the message has the reason of each.
    """
    path = Path(path)
    if path.exists() and not all(_checksum_error(path, mirror) for mirror in mirrors):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    reasons = []
    for mirror in mirrors:
        try:
            _download(mirror, partial)
        except MirrorFailed as reason:
            log(f"{mirror.url} {reason}")
            reasons.append(f"{mirror.url} {reason}")
        else:
            os.replace(partial, path)
            return path
    raise UserError(
        f"no mirror sent {path.name}: {'; '.join(reasons)}; check the network, add a mirror to params.yaml, or get "
        f"{', '.join(by_hand)} by other means, put them into a folder (MNIST's may be in another, download.folder.mnist), "
        "name it in download.folder.emnist in params.yaml and set `source: folder`"
    )


def _download(mirror, partial):
    resumed_from = largest = _size(partial)
    failures = 0
    while True:
        try:
            _receive(mirror.url, partial)
        except _AttemptFailed as reason:
            failures = failures + 1 if _size(partial) <= largest else 1
            largest = max(largest, _size(partial))
            if failures == ATTEMPTS:
                raise MirrorFailed(reason) from None
            wait = BACK_OFF * 2 ** (failures - 1)
            log(f"{mirror.url} {reason}: trying again in {wait:g} s")
            time.sleep(wait)
            continue
        error = _checksum_error(partial, mirror)
        if not error:
            return
        partial.unlink()
        if not resumed_from:
            raise MirrorFailed(error)
        resumed_from = 0  # The bytes of an earlier run or another mirror may be wrong, so it starts once more.


def _receive(url, partial):
    """Append the missing bytes to `partial`."""
    size = _size(partial)
    # The file must come without compression, because the checksum is that of its own bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={size}-"} if size else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            status = response.status_code
            if status == 416 and size:
                return  # The file is complete.
            if status in (408, 429) or status >= 500:
                raise _AttemptFailed(f"answered {status} {response.reason}")
            if status not in (200, 206):
                raise MirrorFailed(f"answered {status} {response.reason}")
            length = response.raw.length_remaining
            chunks = response.raw.stream(CHUNK, decode_content=False)
            first = next(chunks, b"")
            begins_as_page = first.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html"))
            if begins_as_page or response.headers.get("Content-Type", "").startswith("text/html"):
                raise MirrorFailed("sent a web page instead of the file")
            _append(partial, size if status == 206 else 0, chain([first], chunks), length)
    except requests.TooManyRedirects:
        raise MirrorFailed("redirects without end") from None
    except ValueError:  # requests raises it for a malformed address.
        raise MirrorFailed("is not a web address") from None
    except requests.Timeout:
        raise _AttemptFailed(f"did not answer for {TIMEOUT:g} s") from None
    except requests.exceptions.SSLError:
        raise _AttemptFailed("could not be reached safely, its certificate was not accepted") from None
    except requests.RequestException:
        raise _AttemptFailed("could not be reached") from None
    except urllib3.exceptions.HTTPError:
        raise _AttemptFailed(f"broke off after {_size(partial):,} bytes") from None


def _append(partial, size, chunks, length):
    name, total = partial.stem, size + length if length else None
    try:
        with (
            open(partial, "ab" if size else "wb") as file,
            tqdm(desc=name, initial=size, total=total, unit="B", unit_scale=True, disable=None) as bar,
        ):
            for chunk in chunks:
                file.write(chunk)
                file.flush()
                if file.tell() > MAX_BYTES:
                    partial.unlink()
                    raise MirrorFailed(f"sent more than {MAX_BYTES:,} bytes")
                bar.update(len(chunk))
                if bar.disable and file.tell() % LINE_EVERY < len(chunk):
                    log(f"{name}: {file.tell():,} bytes" + (f" of {total:,}" if total else ""))
    except OSError as error:
        error.filename = error.filename or str(partial)
        raise


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _checksum_error(path, mirror):
    """Say how a file's checksum differs from a mirror's, or return False."""
    algorithm, expected = ("sha256", mirror.sha256) if mirror.sha256 else ("md5", mirror.md5)
    found = file_checksum(path, algorithm)
    return found != expected and f"sent {_size(path):,} bytes of {algorithm} {found}, not {expected}"
