"""Hostile and damaged files, one a line: each ends the stage that loads it in one sentence, and nothing is lost.

How each parser takes whatever bytes there are is tested in ``tests/unit``, such as ``test_idx.py``, and by
``benchmarks/fuzz.py``; the pictures that `emnist predict` refuses are in ``test_predict_command.py``.
"""

import gzip
import importlib
import io
import json
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from pipeline_helpers import outputs

from stages._process import check_inputs, run_stage

RAW = "data/raw/emnist-byclass-train-images-idx3-ubyte.gz"
LABELS = "data/raw/emnist-byclass-train-labels-idx1-ubyte.gz"
WEIGHTS = "data/weights/finetune.safetensors"
IMAGES_ARRAY, LABELS_ARRAY = "data/split/train-images.npy", "data/split/train-labels.npy"


def idx_file(magic, *sizes, body=b""):
    return lambda _: gzip.compress(struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + body)


def plain(change):
    """Change what is compressed, under a sound compression."""
    return lambda content: gzip.compress(change(gzip.decompress(content)))


def ends_in(byte):
    return plain(lambda content: content[:-1] + byte)


def array(change, **options):
    def changed(content):
        file = io.BytesIO()
        np.save(file, change(np.load(io.BytesIO(content))), **options)
        return file.getvalue()

    return changed


def always(content):
    return lambda _: content


def cut(content):
    return content[: len(content) // 2]


def replaced(old, new):
    def change(content):
        assert old in content
        return content.replace(old, new, 1)

    return change


def metadata(about):
    text = json.dumps({"__metadata__": {"about": about.decode()}}).encode()
    return always(struct.pack("<Q", len(text)) + text)


def doubled(lines):
    """YAML of a few lines that stands for a list of 2 ** lines items."""
    return b"a0: &a0 [1, 1]\n" + b"".join(
        b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, lines + 1)
    )


def pickled_weights(_):
    file = io.BytesIO()
    torch.save({"weights": torch.zeros(3)}, file)
    return file.getvalue()


HOSTILE = [
    # the stage that reads, the file, what is done to it, what the sentence says of it
    ("split", RAW, plain(cut), "cut short"),
    ("split", RAW, idx_file(0x803, 500, 28, 28, body=bytes(500 * 784)), "the images should show characters"),
    ("split", LABELS, ends_in(b"\x3e"), "it holds 62, not only 0 to 61"),
    ("transfer", "data/raw/train-labels-idx1-ubyte.gz", ends_in(b"\x0a"), "it holds 10, not only 0 to 9"),
    ("split", "params.yaml", replaced(b"train: 400", b"train: 501"), "501 train images, but the source has 500"),
    ("pretrain", IMAGES_ARRAY, cut, "damaged"),
    ("pretrain", LABELS_ARRAY, array(lambda a: a.astype(object), allow_pickle=True), "damaged"),
    ("pretrain", "data/search/best.json", always(b"[" * 100_000), "should be JSON"),
    ("evaluate", WEIGHTS, cut, "damaged"),
    ("evaluate", WEIGHTS, pickled_weights, "damaged"),
    ("transfer", WEIGHTS, replaced(b"lenet", b"vggnt"), "should say which model"),
    ("finetune", "data/weights/pretrain.safetensors", replaced(b"lenet", b"lenat"), "should say which model"),
    ("plots", "plots/pretrain.csv", lambda content: content + b"1,2,3,4,5,6,7,8,9,9\n", "should be a table"),
    ("evaluate", WEIGHTS, metadata(b"[" * 9999), "damaged"),
    (
        "evaluate",
        WEIGHTS,
        metadata(b'{"model": "lenet", "classes": "0", "mean": 1%s}' % (b"0" * 400)),
        "should say which",
    ),
    ("check", "params.yaml", always(b"model: ["), "should be YAML"),
    ("check", "params.yaml", always(doubled(30)), "more than 10 references"),
    ("check", "params.yaml", always(doubled(4) + b"model: *a4\n"), "model should be one of alexnet"),
    ("check", "params.yaml", always(b"model: " + b"[" * 2000), "nested too deeply"),
    ("check", "params.yaml", always(b"x: 1\n" * 50_000), "it has 250,000 bytes"),
    ("check", "params.yaml", always(b"".join(b"k%d: 1\n" % n for n in range(3000))), "more parameters are wrong"),
    ("check", "params.yaml", replaced(b"seed: 42", b"seed: 0x" + b"f" * 9000), "but is a large int"),
    ("check", "params.yaml", replaced(b"seed: 42", b"seed: !!timestamp x"), "should be YAML"),
    ("check", "params.yaml", lambda content: content + b'"a\\nb": 1', r"a\nb is not a parameter"),
    ("check", "params.yaml", replaced(b"seed: 42", b"seed: .nan"), "seed should be a valid integer, but is nan"),
    ("check", "params.yaml", replaced(b"seed: 42", b"seed: 1e999"), "seed should be a valid integer"),
]


@pytest.fixture(scope="module")
def copy(finished_pipeline, tmp_path_factory):
    """One copy of the finished pipeline for all tests of this file, each of which restores what it damages."""
    return shutil.copytree(finished_pipeline, tmp_path_factory.mktemp("hostile") / "copy", symlinks=True)


@pytest.fixture
def fails(copy, monkeypatch, capsys):
    """Run a stage on a damaged file; it should end as a user sees it end, say one sentence, and change no result."""

    def check(stage, name, content, sentence):
        monkeypatch.chdir(copy)
        sound = Path(name).read_bytes()
        Path(name).write_bytes(content)
        before = outputs(copy)
        try:
            with pytest.raises(SystemExit) as ended:
                run_stage(importlib.import_module(f"stages.{stage}").main)
            assert outputs(copy) == before
        finally:
            Path(name).write_bytes(sound)
        said = capsys.readouterr().err
        assert ended.value.code == 1 and re.fullmatch(f"error: {sentence}.*\n", said), said
        return said

    return check


@pytest.mark.parametrize(
    "stage, name, damage, reason", HOSTILE, ids=[f"{stage}-{number}" for number, (stage, *_) in enumerate(HOSTILE)]
)
def test_a_hostile_file_ends_its_stage_in_one_sentence_and_nothing_is_lost(fails, copy, stage, name, damage, reason):
    said = fails(stage, name, damage((copy / name).read_bytes()), f".*{re.escape(reason)}")
    assert name in said or "the images should show" in said


def test_a_record_of_dvc_that_stands_for_a_mapping_without_end_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [b"stages: &a0 {x: 1}", *(b"a%d: &a%d {<<: [%s]}" % (n, n, b"*a%d," % (n - 1) * 10) for n in range(1, 30))]
    Path("dvc.lock").write_bytes(b"\n".join(lines))
    check_inputs("split")
