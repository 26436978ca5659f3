"""What an interrupted stage continues from: whole, keyed by all that matters, and removed when DVC has the result."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
import torch
from dvc.repo import Repo
from dvc_data.hashfile.build import build
from pipeline_helpers import REPOSITORY

from emnist.params import load_params
from emnist.utils import checkpoint as checkpoint_module
from emnist.utils.checkpoint import Checkpoint, remove_stale_files
from emnist.utils.stage import files_below, stage_key


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: bytes(100),
        lambda content: hashlib.sha256(b"[").digest() + b"[",  # a sound checksum of no checkpoint
    ],
)
def test_a_damaged_checkpoint_is_ignored_with_a_line_that_says_so(tmp_path, capsys, damage):
    checkpoint = Checkpoint("stage-key", tmp_path)
    checkpoint.save({"a": torch.arange(3.0)}, [])
    checkpoint.path.write_bytes(damage(checkpoint.path.read_bytes()))
    assert checkpoint.load() is None
    assert "damaged" in capsys.readouterr().out


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    for name in ("emnist", "stages"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    (tmp_path / "data/raw").mkdir(parents=True)
    for name in ("images-idx3", "labels-idx1"):
        (tmp_path / f"data/raw/emnist-byclass-train-{name}-ubyte.gz").write_bytes(b"data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_key_changes_with_all_that_the_stage_declares_and_nothing_else(project):
    def key(*more):
        return stage_key("split", load_params(), *more)

    first = key()
    edit(project / "params.yaml", "model: resnet", "model: lenet")
    edit(project / "emnist/training/batches.py", "CHUNK = 512", "CHUNK = 256")
    assert key() == first
    keys = {first, key({"device": "cuda"})}
    edit(project / "params.yaml", "seed: 42", "seed: 43")
    keys.add(key())
    edit(project / "emnist/data/subsets.py", "8192", "4096")
    keys.add(key())
    (project / "data/raw/emnist-byclass-train-labels-idx1-ubyte.gz").write_bytes(b"other data")
    keys.add(key())
    edit(project / "params.yaml", "small:    {train: 40000", "small:    {train: 40001")
    keys.add(key())
    assert len(keys) == 6


LEFT_BEHIND = """__pycache__/code.cpython-312.pyc  deep/__pycache__/code.cpython-312.pyc  code.pyc  .code.py.swp  .code.py.swo
    .DS_Store  deep/.DS_Store  code.py~  .#code.py  #code.py#  code.py.orig  code.py.rej  .ipynb_checkpoints/code.py
    .pytest_cache/README.md  .ruff_cache/0/1  .mypy_cache/1  .idea/a.xml  .vscode/settings.json"""


def test_the_key_of_a_stage_covers_the_files_that_dvc_sees(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    (tmp_path / ".dvcignore").write_bytes((REPOSITORY / ".dvcignore").read_bytes())
    source = ["code.py", "deep/code.py", "deep/table.csv", ".hidden", "code.py.txt", "my code.py"]
    for name in [*source, *LEFT_BEHIND.split()]:
        path = tmp_path / "room" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with Repo() as repo:
        options = {"ignore": repo.dvcignore, "dry_run": True}
        _, _, tree = build(repo.cache.local, str(tmp_path / "room"), repo.fs, "md5", **options)
        seen = {"/".join(key) for key, _, _ in tree}
    assert {path.relative_to("room").as_posix() for path in files_below(Path("room"))} == seen == set(source)


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A stage that has written its outputs, which DVC may or may not have recorded yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").write_bytes(b"weights")
    (tmp_path / "curve").write_bytes(b"curve")
    checkpoint = Checkpoint("pretrain-key")
    checkpoint.save({}, [])
    checkpoint.mark_complete(tmp_path / "weights", tmp_path / "curve")
    return tmp_path, checkpoint


def record(folder, path="dvc.lock", names=("weights", "curve"), cached=True, outputs=None):
    if outputs:
        (folder / ".dvc/tmp/continue/pretrain-key/outputs").write_bytes(outputs)
    digests = [hashlib.md5(name.encode()).hexdigest() for name in names]
    files = {path: "".join(f"- md5: {digest}\n" for digest in digests)}
    if cached:
        files[f".dvc/cache/files/md5/{digests[0][:2]}/{digests[0][2:]}"] = "weights"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    "recorded",
    [
        {},
        {"cached": False},  # the records came with a clone
        {"names": ["weights"]},  # another run's, with the same weights
        {"path": ".dvc/tmp/exps/tmpabc/dvc.lock"},  # a queued experiment's, which goes with its folder
        {"outputs": b"["},  # the stage's list of its outputs is damaged
    ],
)
def test_a_result_that_dvc_has_not_recorded_can_still_be_continued_from(finished, recorded):
    folder, checkpoint = finished
    if recorded:
        record(folder, **recorded)
    remove_stale_files()
    assert checkpoint.load() is not None


@pytest.mark.parametrize("path", ["dvc.lock", ".dvc/cache/runs/ab/abc/def"])
def test_what_dvc_has_recorded_is_removed(finished, path):
    folder, checkpoint = finished
    record(folder, path)
    remove_stale_files()
    assert not checkpoint.folder.exists()


def test_the_folder_of_a_killed_download_goes_and_that_of_a_running_one_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dead, running = (
        tmp_path / f"data/raw/.sample.{pid}.abc.tmp" for pid in (2**22 + 1, os.getpid())
    )  # above any process's
    for folder in (dead, running):
        folder.mkdir(parents=True)
        (folder / f".images.gz.{2**22 + 1}.abc.tmp").touch()
        (folder / "labels.gz").touch()
    remove_stale_files()
    assert not dead.exists() and os.listdir(running) == ["labels.gz"]


def test_the_least_recently_used_goes_when_there_is_too_much(tmp_path, monkeypatch):
    monkeypatch.setenv("EMNIST_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(checkpoint_module, "MAX_BYTES", 9000)
    for age, name in enumerate(["new", "older", "oldest"]):
        checkpoint = Checkpoint(f"stage-{name}", tmp_path)
        checkpoint.save({"a": torch.zeros(1000)}, [])
        os.utime(checkpoint.path, (1e9 - age, 1e9 - age))
    remove_stale_files()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stage-new", "stage-older"]
