"""An exported network reads as PyTorch's does, says what it is, and has the same bytes each time."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache

import numpy as np
import onnx
import pytest
from model_helpers import probabilities as by_torch
from pipeline_helpers import REPOSITORY

from emnist.data.classes import CHARACTERS
from emnist.evaluation.metrics import compare_probabilities
from emnist.export import STANDARD, quantize, to_bytes, to_onnx
from emnist.models import load_pretrained
from emnist.models.pretrained import FOLDER
from emnist.reading.network import Network
from tools.publish import to_half_precision

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(256, size=(500, 28, 28), dtype=np.uint8)
ABOUT = {"data": "noise", "recipe": "annealed"}


@cache
def exported():
    """Export a pretrained network once for all tests, since that takes seconds."""
    return to_onnx(*load_pretrained("lenet"), **ABOUT)


@pytest.fixture
def load(tmp_path):
    """Load an exported network as users do, from a file."""

    def load(proto):
        (tmp_path / "network.onnx").write_bytes(to_bytes(proto))
        return Network(tmp_path / "network.onnx")

    return load


def test_an_exported_network_reads_as_pytorchs_and_passes_the_checker(load):  # test_experiments.py: all architectures
    onnx.checker.check_model(exported(), full_check=True)
    loaded, images = load(exported()), IMAGES[:300]
    assert loaded.metadata == {"architecture": "lenet", "classes": CHARACTERS, **STANDARD, **ABOUT}
    probabilities, expected = loaded.probabilities(images), by_torch(*load_pretrained("lenet"), images)
    assert probabilities.shape == (len(images), 62) and probabilities.dtype == np.float32
    compared = compare_probabilities(probabilities, expected, np.zeros(len(images)))
    assert compared["differing_predictions"] == 0 and compared["largest_difference"] < 1e-5
    assert [loaded.probabilities(images[:few]).shape for few in (0, 1, 2)] == [(0, 62), (1, 62), (2, 62)]


TWICE = """
import hashlib, sys
sys.path[:0] = ["tests", "tests/unit"]
from test_export import *
for content in all_files():
    print(hashlib.sha256(content).hexdigest())
"""


def all_files():
    lenet = exported()
    return [to_bytes(proto) for proto in (lenet, to_half_precision(lenet), quantize(lenet, IMAGES[:100]))]


@pytest.mark.slow
def test_two_processes_export_the_same_bytes_which_name_no_path(tmp_path):
    (cache := tmp_path.with_name("cache")).mkdir(exist_ok=True)  # which PyTorch makes, and leaves empty
    done = python(TWICE, tmp_path, PYTHONHASHSEED="7", TORCHINDUCTOR_CACHE_DIR=str(cache))
    files = all_files()
    assert done.stdout.split() == [hashlib.sha256(content).hexdigest() for content in files]
    for content in files:
        assert not any(name in content for name in (str(REPOSITORY).encode(), sys.prefix.encode(), b"site-packages"))
    assert list(tmp_path.iterdir()) == []


def python(code, temporary, **variables):
    """Run a program in a fresh process; `temporary` is the folder of its temporary files."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment = kept | {"TMPDIR": str(temporary)} | variables
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True)


def test_onnx_runtime_collects_no_telemetry(tmp_path):
    python("import onnxruntime", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".ses"]  # the session of its telemetry
    (tmp_path / ".ses").unlink()
    python("import emnist.reading.network", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", sorted((REPOSITORY / "emnist").rglob("*.onnx")), ids=lambda path: path.name)
def test_no_network_that_is_committed_names_the_code_and_the_folders_it_comes_from(path):
    for node in onnx.load(path).graph.node:
        assert not node.metadata_props and not node.doc_string


def test_every_file_says_by_the_standards_keys_who_made_it_and_which_images_it_takes():
    lenet = exported()
    for proto in (lenet, to_half_precision(lenet), quantize(lenet, IMAGES[:100])):
        said = {entry.key: entry.value for entry in proto.metadata_props}
        assert not {"model_author", "model_license"} & set(said)  # it is the person's who trained it
        # As the graph has it: one channel of uint8, all 256 levels of it; the tests above feed it such images.
        assert said["Image.BitmapPixelFormat"] == "Gray8" and said["Image.NominalPixelRange"] == "NominalRange_0_255"
        assert said["Image.ColorSpaceGamma"] == "SRGB"
        images = proto.graph.input[0].type
        assert images.denotation == "IMAGE" and images.tensor_type.elem_type == onnx.TensorProto.UINT8
        assert [each.denotation for each in images.tensor_type.shape.dim] == ["DATA_BATCH"] + 2 * ["DATA_FEATURE"]
        assert proto.producer_name == "emnist-dvc" and "pixels from 0 to 255" in proto.doc_string


def test_the_version_of_the_producer_is_that_of_this_project_or_of_an_earlier_one():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert exported().producer_name == project["name"]
    first, now = (tuple(map(int, each.split("."))) for each in (exported().producer_version, project["version"]))
    assert first <= now


def test_half_precision_halves_the_file_and_hardly_changes_a_probability(load):
    single = exported()
    half = to_half_precision(single)
    onnx.checker.check_model(half, full_check=True)
    assert len(to_bytes(half)) < 0.55 * len(to_bytes(single))
    assert half.metadata_props == single.metadata_props
    before, after = (load(proto).probabilities(IMAGES[:100]) for proto in (single, half))
    assert 0 < np.abs(after - before).max() < 0.01


def test_8_bit_integers_shrink_the_file_and_leave_most_readings(load, capfd):
    single = exported()
    before = to_bytes(single)
    capfd.readouterr()
    quantized = quantize(single, IMAGES[:200])
    assert capfd.readouterr() == ("", "") and to_bytes(single) == before
    onnx.checker.check_model(quantized, full_check=True)
    assert len(to_bytes(quantized)) < 0.4 * len(before)
    loaded = load(quantized)
    assert loaded.metadata == {"architecture": "lenet", "classes": CHARACTERS, **STANDARD, **ABOUT}
    probabilities = loaded.probabilities(IMAGES)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    compared = compare_probabilities(probabilities, by_torch(*load_pretrained("lenet"), IMAGES), np.zeros(len(IMAGES)))
    assert compared["differing_predictions"] < 0.1 * len(IMAGES) and 0 < compared["largest_difference"] < 0.5
    assert [loaded.probabilities(IMAGES[:few]).shape for few in (0, 1, 2)] == [(0, 62), (1, 62), (2, 62)]


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch):
    (tmp_path / "data/model").mkdir(parents=True)
    shutil.copy(FOLDER / "lenet.onnx", tmp_path / "data/model/emnist.onnx")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/export.md").read_text(), re.DOTALL)
    names = {}
    exec(example, names)
    assert names["probabilities"].shape == (1, 62) and names["character"] in CHARACTERS
