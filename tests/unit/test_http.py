import errno
import hashlib
import os
import resource
import signal
import time

import numpy as np
import pytest
from loopback import hangs_up, redirects, sends, serving, status

from emnist.sources import _http
from emnist.sources._http import ATTEMPTS, CHUNK, Mirror, fetch
from emnist.utils.errors import UserError

CONTENT = np.random.default_rng(0).bytes(5 * CHUNK + 77)
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WRONG = bytes(len(CONTENT))
PAGE = b"\n<!DOCTYPE html>\n<html><body>We are moving to a new server</body></html>"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_http, "BACK_OFF", 0.001)
    monkeypatch.setattr(_http, "TIMEOUT", 5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "work" / "gzip.zip"


FILES = ["images.gz", "labels.gz"]


def fetch_quickly(path, *mirrors):
    return fetch([Mirror(url=f"{url}/gzip.zip", **checksum) for url, checksum in mirrors], path, FILES)


def partial(path):
    return path.with_name("gzip.zip.partial")


def check_nothing_is_left(path):
    assert not path.exists() and not partial(path).exists()


def ranges(*starts):
    """Give the requests for a file, from these places on."""
    return [("/gzip.zip", start and f"bytes={start}-") for start in starts]


@pytest.mark.parametrize("checksum", [{"md5": MD5}, {"sha256": SHA256}])
@pytest.mark.parametrize(
    "leftover, answers, starts",
    [
        (b"", [], [None]),
        (b"", [status(503)], [None, None]),
        (b"", [status(429), status(500), status(408)], 4 * [None]),
        (b"", [hangs_up], [None, None]),
        (b"", [sends(CONTENT, cut=3 * CHUNK)], [None, 3 * CHUNK]),
        (b"", [sends(CONTENT, cut=3 * CHUNK), sends(CONTENT, ranges=False)], [None, 3 * CHUNK]),
        (CONTENT, [], [len(CONTENT)]),
        (WRONG[:CHUNK], [], [CHUNK, None]),
        (WRONG, [], [len(WRONG), None]),
        (WRONG + WRONG, [], [2 * len(WRONG), None]),
    ],
)
def test_a_file_arrives_whole_by_as_few_bytes_as_it_needs(path, checksum, leftover, answers, starts):
    if leftover:
        path.parent.mkdir()
        partial(path).write_bytes(leftover)
    with serving(*answers, sends(CONTENT)) as (url, requests):
        assert fetch_quickly(path, (url, checksum)) == path
        assert path.read_bytes() == CONTENT and not partial(path).exists()
        assert requests == ranges(*starts)


def test_a_file_that_is_already_there_is_asked_for_again_only_if_it_is_wrong(path):
    path.parent.mkdir()
    path.write_bytes(WRONG)
    with serving(sends(CONTENT)) as (url, requests):
        fetch_quickly(path, (url, {"md5": MD5}))
        fetch_quickly(path, ("http://unused.invalid", {"md5": "0" * 32}), (url, {"md5": MD5}))
    assert path.read_bytes() == CONTENT and len(requests) == 1


def test_a_connection_that_breaks_ever_further_on_is_not_given_up(path):
    cuts = [sends(CONTENT, cut=end) for end in range(CHUNK // 2, len(CONTENT), CHUNK // 2)]
    assert len(cuts) > ATTEMPTS
    with serving(*cuts, sends(CONTENT)) as (url, requests):
        fetch_quickly(path, (url, {"md5": MD5}))
        assert path.read_bytes() == CONTENT and len(requests) == len(cuts) + 1
        assert requests[1] == ("/gzip.zip", f"bytes={CHUNK // 2}-")


def test_waits_grow_with_each_failure(path, capsys):
    with serving(status(503)) as (url, requests), pytest.raises(UserError, match="answered 503 Service"):
        fetch_quickly(path, (url, {"md5": MD5}))
    assert len(requests) == ATTEMPTS
    printed = capsys.readouterr().out
    assert [line.split()[-2] for line in printed.splitlines()[:-1]] == ["0.001", "0.002", "0.004", "0.008"]


@pytest.mark.parametrize(
    "answer, reason",
    [
        (sends(PAGE, kind="text/html; charset=utf-8"), "a web page instead"),
        (sends(PAGE), "a web page instead"),
        (sends(b"<HTML lang=en>" + bytes(2 * CHUNK)), "a web page instead"),
        (sends(WRONG), f"655,437 bytes of md5 [0-9a-f]+, not {MD5}"),
        (sends(CONTENT[:-1]), "655,436 bytes of md5"),
        (sends(CONTENT, cut=1000, length=False), "1,000 bytes of md5"),
        (sends(b""), "0 bytes of md5"),
    ],
)
def test_a_web_page_and_wrong_or_truncated_bytes_are_never_kept(path, answer, reason):
    with serving(answer) as (url, requests), pytest.raises(UserError, match=f"sent {reason}"):
        fetch_quickly(path, (url, {"md5": MD5}))
    check_nothing_is_left(path)
    assert len(requests) == 1


def test_a_web_page_does_not_cost_what_has_arrived(path):
    with serving(sends(CONTENT, cut=2 * CHUNK), sends(PAGE, ranges=False), sends(CONTENT)) as (url, requests):
        fetch_quickly(path, (url, {"md5": MD5}), (url, {"md5": MD5}))
        assert requests == ranges(None, 2 * CHUNK, 2 * CHUNK)


def test_wrong_bytes_lead_to_the_next_mirror(path):
    with serving(sends(WRONG)) as (bad, _), serving(sends(CONTENT)) as (good, requests):
        fetch_quickly(path, (bad, {"md5": MD5}), (good, {"sha256": SHA256}))
        assert path.read_bytes() == CONTENT
        assert requests == ranges(None)  # nothing of the wrong bytes was kept


def test_the_next_mirror_continues_what_one_began(path):
    with (
        serving(sends(CONTENT, cut=2 * CHUNK), status(404)) as (first, _),
        serving(sends(CONTENT)) as (second, requests),
    ):
        fetch_quickly(path, (first, {"md5": MD5}), (second, {"sha256": SHA256}))
        assert path.read_bytes() == CONTENT and requests == ranges(2 * CHUNK)


def test_when_all_mirrors_fail_each_reason_and_the_remedy_are_in_one_sentence(path, monkeypatch):
    monkeypatch.setattr(_http, "TIMEOUT", 1)
    monkeypatch.setattr(_http, "ATTEMPTS", 1)
    with serving(status(200)) as (closed, _):
        pass
    with (
        serving(status(404)) as (missing, _),
        serving(sends(PAGE)) as (page, _),
        serving(lambda handler: time.sleep(9)) as (slow, _),
        pytest.raises(UserError) as error,
    ):
        urls = missing, page, slow, closed, "ftp://x", "http://"
        fetch_quickly(path, *((url, {"md5": MD5}) for url in urls))
    sentence = str(error.value)
    for reason in (
        f"{missing}/gzip.zip answered 404 Not Found",
        f"{page}/gzip.zip sent a web page",
        f"{slow}/gzip.zip did not answer for 1 s",
        f"{closed}/gzip.zip could not be reached",
        "ftp://x/gzip.zip is not a web address",
        "http:///gzip.zip is not a web address",
        "add a mirror to params.yaml",
        "get images.gz, labels.gz by other means",
        "`source: folder`",
    ):
        assert reason in sentence
    check_nothing_is_left(path)


def test_a_redirect_within_a_host_that_is_named_as_a_mirror_is_followed(path):
    with serving(sends(CONTENT)) as (good, requests), serving(redirects(f"{good}/moved?x=1")) as (url, _):
        fetch_quickly(path, (url, {"md5": MD5}))
    assert path.read_bytes() == CONTENT and requests == [("/moved?x=1", None)]


def test_redirects_without_end_are_given_up(path):
    with serving(redirects("/again")) as (url, requests), pytest.raises(UserError, match="redirects without end"):
        fetch_quickly(path, (url, {"md5": MD5}))
    assert len(requests) == 31


def test_a_mirror_that_sends_without_end_fills_no_disk(path, monkeypatch):
    monkeypatch.setattr(_http, "MAX_BYTES", 3 * CHUNK)
    with (
        serving(sends(CONTENT, length=False)) as (url, _),
        pytest.raises(UserError, match="sent more than 393,216 bytes"),
    ):
        fetch_quickly(path, (url, {"md5": MD5}))
    check_nothing_is_left(path)


def test_progress_is_plain_lines_elsewhere(path, monkeypatch, capfd):
    monkeypatch.setattr("emnist.sources._http.LINE_EVERY", 2 * CHUNK)
    with serving(sends(CONTENT)) as (url, _):
        fetch_quickly(path, (url, {"md5": MD5}))
    lines, errors = capfd.readouterr()
    assert lines == "gzip.zip: 262,144 bytes of 655,437\ngzip.zip: 524,288 bytes of 655,437\n" and not errors


def test_a_full_disk_names_the_file_and_the_same_call_continues_once_there_is_room(path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with serving(sends(CONTENT)) as (url, requests):
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * CHUNK + 5, before[1]))
        try:
            with pytest.raises(OSError) as error:
                fetch_quickly(path, (url, {"md5": MD5}))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert error.value.errno == errno.EFBIG and error.value.filename == os.fspath(partial(path))
        fetch_quickly(path, (url, {"md5": MD5}))
        assert path.read_bytes() == CONTENT and requests[1][1] == f"bytes={3 * CHUNK + 5}-"
