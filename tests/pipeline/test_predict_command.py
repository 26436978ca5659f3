"""`predict` as a command: what it prints, and how it ends on bad files. Here because torch is imported each time."""

import json
import os
import re
import struct
import subprocess
import sys
import zlib

import pytest
import torch
from glyphs import glyph, on_paper
from PIL import Image

from emnist.data.classes import CHARACTERS
from emnist.models import build_model
from emnist.models.weights import save_weights
from emnist.reading.pictures import read_character

ABOUT = {"model": "lenet", "classes": CHARACTERS, "mean": 0.17, "std": 0.33}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "lenet.safetensors"
    save_weights(path, build_model("lenet"), **ABOUT)
    return path


@pytest.fixture
def four(tmp_path):
    path = tmp_path / "four.png"
    glyph().save(path)
    return path


def predict(*arguments, weights):
    command = [sys.executable, "-m", "emnist", "predict", "--weights", weights, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_command_prints_the_likeliest_characters_as_json(four, weights):
    done = predict("--json", "--top", "62", four, weights=weights)
    assert (done.returncode, done.stderr) == (0, "")
    [reading] = json.loads(done.stdout)
    assert reading["file"] == str(four)
    probabilities = {guess["character"]: guess["probability"] for guess in reading["predictions"]}
    assert sorted(probabilities) == sorted(CHARACTERS)
    assert list(probabilities.values()) == sorted(probabilities.values(), reverse=True)

    torch.manual_seed(0)
    pixels = torch.from_numpy(read_character(four)).float() / 255
    logits = build_model("lenet").eval()(((pixels - 0.17) / 0.33)[None, None])
    expected = dict(zip(CHARACTERS, logits.softmax(dim=1)[0].tolist()))
    assert probabilities == pytest.approx(expected, abs=1e-6)


def _png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b""))


def test_bad_files_are_reported_and_the_good_ones_still_read(four, weights, tmp_path):
    no_image = "should be an image, but is none of PNG, JPEG"
    bad = {
        "missing.png": (None, "is missing"),
        "text.png": (b"I am not an image", no_image),
        "empty.png": (b"", no_image),
        "program.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", no_image),
        "cut.png": (four.read_bytes()[:500], "should be an image, but cannot be read"),
        "bomb.png": (_png_header(10_000, 9_000), "should have at most 89,478,485 pixels"),
        "huge.png": (_png_header(60_000, 60_000), "should have at most 89,478,485 pixels"),
    }
    for name, (content, _) in bad.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    blank = {
        "white.png": Image.new("L", (50, 50), 255),
        "dot.png": Image.new("RGB", (1, 1)),
        "faint.png": on_paper(glyph(), 200, 190),
        "clear.png": Image.new("RGBA", (9, 9)),
    }
    for name, image in blank.items():
        image.save(tmp_path / name)
        bad[name] = (None, "should show a character, but is all one colour, or nearly")
    (tmp_path / "folder").mkdir()
    bad["folder"] = (None, "should be a file, but is a folder, pipe or device")

    done = predict(four, *(tmp_path / name for name in bad), four, weights=weights)
    assert done.returncode == 1
    for line in done.stdout.splitlines(keepends=True):
        assert re.fullmatch(rf"{four}: (\w \d+\.\d%, ){{2}}\w \d+\.\d%\n", line)
    assert done.stdout.count("\n") == 2
    errors = done.stderr.splitlines()
    assert len(errors) == len(bad), done.stderr
    for line, (name, (_, reason)) in zip(errors, bad.items()):
        assert line.startswith(f"error: {tmp_path / name} {reason}")


@pytest.mark.parametrize(
    "damage, reason",
    [
        (lambda path: path.unlink(), "is missing: run `dvc repro`"),
        (
            lambda path: path.write_bytes(b"\x80\x04pickle?"),
            "should hold weights in safetensors format, but is damaged",
        ),
    ],
    ids=["missing", "damaged"],
)
def test_unusable_weights_end_in_one_sentence(damage, reason, four, weights, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights.read_bytes())
    damage(path)
    done = predict(four, weights=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {path} {reason}") and done.stderr.count("\n") == 1
