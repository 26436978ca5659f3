import hashlib
import io
import random
import subprocess
import sys
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from idx_fixtures import EMNIST_NAMES, MNIST_NAMES, contents, write_official
from loopback import files, sends, serving

from emnist.sources import _http
from emnist.sources import emnist as archive
from emnist.sources._http import Mirror
from emnist.utils.errors import UserError


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_http, "BACK_OFF", 0.001)


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    folder = tmp_path_factory.mktemp("official")
    write_official(folder, EMNIST_NAMES)
    return contents(folder)


@pytest.fixture
def official_mnist(tmp_path, monkeypatch):
    write_official(tmp_path / "mnist", MNIST_NAMES)
    found = contents(tmp_path / "mnist")
    checksums = {name: hashlib.md5(found[name]).hexdigest() for name in MNIST_NAMES}
    monkeypatch.setattr(archive, "MNIST_MD5", checksums)
    return found


def zipped(members, compression=zipfile.ZIP_STORED):
    """The bytes of a zip archive of (name or ZipInfo, content)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def as_published(official):
    """The members of NIST's archive: files of other parts of EMNIST lie beside those of ByClass."""
    others = {"emnist-letters-test-images-idx3-ubyte.gz": b"letters", "emnist-mnist-mapping.txt": b"0 48"}
    return [("gzip/", b""), *((f"gzip/{name}", content) for name, content in (others | official).items())]


def download(content, tmp_path, **answer):
    with serving(sends(content, **answer)) as (url, requests):
        mirrors = [Mirror(url=f"{url}/gzip.zip", md5=hashlib.md5(content).hexdigest())]
        archive.download_emnist(mirrors, tmp_path / "raw", tmp_path / "work")
    return requests


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_only_the_four_files_of_byclass_are_kept(official, tmp_path, compression):
    download(zipped(as_published(official), compression), tmp_path)
    assert contents(tmp_path / "raw") == official
    assert sorted(contents(tmp_path / "work")) == ["gzip.zip", "lock"]


def test_a_missing_member_is_named(official, tmp_path):
    members = [member for member in as_published(official) if member[0] != f"gzip/{EMNIST_NAMES[2]}"]
    check_refused(zipped(members), f"it has no member gzip/{EMNIST_NAMES[2]}", tmp_path)


def test_a_damaged_archive_is_refused(official, tmp_path):
    check_refused(b"PK\3\4 and nothing more", "damaged", tmp_path)
    content = zipped(as_published(official)).replace(official[EMNIST_NAMES[3]][-30:], bytes(30))
    check_refused(content, "damaged .*CRC", tmp_path)


def test_members_that_are_no_images_are_refused(official, tmp_path):
    with pytest.raises(UserError, match="train-images-idx3-ubyte.gz should hold 28x28 images"):
        download(zipped(as_published(official | {EMNIST_NAMES[0]: b"no images"})), tmp_path)
    assert not (tmp_path / "raw").exists()


def check_refused(content, reason, tmp_path):
    with pytest.raises(UserError, match=f"gzip.zip should be EMNIST's archive, but .*{reason}"):
        download(content, tmp_path)
    assert not (tmp_path / "raw").exists()
    assert not list(tmp_path.rglob("*escape*")) and not list(tmp_path.rglob("*link*"))


def test_mnist_comes_from_the_first_mirror_that_has_it(official_mnist, tmp_path):
    with (
        serving(files({})) as (empty, tried),
        serving(files({f"/my/{name}": content for name, content in official_mnist.items()})) as (url, _),
    ):
        archive.download_mnist([empty, f"{url}/my/"], tmp_path / "raw", tmp_path / "work")
    assert contents(tmp_path / "raw") == official_mnist
    assert [path for path, _ in tried] == [f"/{name}" for name in MNIST_NAMES]


def test_mnist_is_not_downloaded_where_its_digits_are_not_needed(official, official_mnist, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # holds the downloads
    content = zipped(as_published(official))
    served = {"/gzip.zip": content} | {f"/{name}": each for name, each in official_mnist.items()}
    with serving(files(served)) as (url, requests):
        mirror = Mirror(url=f"{url}/gzip.zip", md5=hashlib.md5(content).hexdigest())
        options = archive.Options(mirrors=[mirror], mnist_mirrors=[url])
        archive.obtain(options, tmp_path / "raw", with_digits=False)
        assert [path for path, _ in requests] == ["/gzip.zip"]
        assert contents(tmp_path / "raw") == official
        archive.obtain(options, tmp_path / "raw")
        assert contents(tmp_path / "raw") == official | official_mnist
        assert [path for path, _ in requests].count("/gzip.zip") == 1


def test_files_that_differ_from_the_published_mnist_are_refused(tmp_path):
    write_official(tmp_path / "mnist", MNIST_NAMES)
    served = {f"/{name}": content for name, content in contents(tmp_path / "mnist").items()}
    with serving(files(served)) as (url, _), pytest.raises(UserError, match="not f68b3c2dcbeaaa9fbdd348bb"):
        archive.download_mnist([url], tmp_path / "raw", tmp_path / "work")
    assert not (tmp_path / "raw").exists()


def test_the_checksums_are_those_of_torchvision():
    (folder,) = find_spec("torchvision").submodule_search_locations  # importing it takes seconds
    theirs = Path(folder, "datasets/mnist.py").read_text().partition("class FashionMNIST")[0]
    assert all(f'("{name}", "{md5}")' in theirs for name, md5 in archive.MNIST_MD5.items())


def start_download(url, md5, tmp_path):
    code = (
        "from emnist.sources.emnist import *; from emnist.sources._http import *; "
        f"download_emnist([Mirror(url='{url}/gzip.zip', md5='{md5}')], '{tmp_path}/raw', '{tmp_path}/work')"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_second_process_waits_for_the_first_and_continues_its_download_if_it_is_killed(official, tmp_path):
    content = zipped([*as_published(official), ("gzip/filler", random.Random(0).randbytes(10**6))])
    md5 = hashlib.md5(content).hexdigest()
    partial = tmp_path / "work" / "gzip.zip.partial"
    with serving(sends(content, seconds_per_kib=0.02), sends(content)) as (url, requests):
        with start_download(url, md5, tmp_path) as first:
            while not (partial.exists() and partial.stat().st_size):
                assert first.poll() is None
                time.sleep(0.005)
            with start_download(url, md5, tmp_path) as second:
                assert second.stdout.readline().startswith("waiting for another run")
                assert len(requests) == 1
                first.kill()
        assert second.returncode == 0
        assert contents(tmp_path / "raw") == official
        assert len(requests) == 2 and requests[1][1].startswith("bytes=")
