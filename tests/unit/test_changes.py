"""What changes in one's own folder is seen, and what has not changed is not read again."""

import json
import os

import pytest

from emnist.utils import changes
from emnist.utils.changes import fingerprint
from stages import scan


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("train/A/1.png", "train/A/2.png", "test/A/1.png"):
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_bytes(name.encode())
    return tmp_path / "own"


def touch(folder):
    os.utime(folder / "train/A/1.png", (0, 0))


@pytest.mark.parametrize(
    "change, seen",
    [
        (lambda folder: (folder / "train/A/1.png").write_bytes(b"another"), True),
        (lambda folder: (folder / "train/A/3.png").write_bytes(b""), True),
        (lambda folder: (folder / "train/A/2.png").unlink(), True),
        (lambda folder: (folder / "train/A").rename(folder / "train/B"), True),
        (lambda folder: (folder / ".lock").write_bytes(b""), False),
        (touch, False),
    ],
)
def test_a_folders_fingerprint_is_of_its_names_and_contents(folder, change, seen):
    before = fingerprint("own")
    change(folder)
    assert (fingerprint("own") != before) == seen
    changes.Path(changes.KNOWN).unlink()  # what is remembered changes nothing
    assert (fingerprint("own") != before) == seen


def test_a_file_is_read_again_only_if_it_was_touched(folder, monkeypatch):
    read = []
    monkeypatch.setattr(changes, "file_checksum", lambda path: read.append(path.name) or "0")
    fingerprint("own")
    assert read == ["1.png", "1.png", "2.png"]
    touch(folder)
    fingerprint("own")
    assert read[3:] == ["1.png"]


def test_the_stage_scans_the_folders_of_the_sources(folder, tmp_path):
    (tmp_path / "data").mkdir()
    for sources, count in ({"sample": {}}, 0), ({"folder": {"emnist": ["own", "no"], "mnist": "own"}}, 3):
        (tmp_path / "data/sources.json").write_text(json.dumps(sources))
        scan.main()
        assert len(found := json.loads((tmp_path / "data/folders.json").read_text())) == count
    assert found[0] == found[2] != found[1]
