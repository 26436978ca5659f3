"""Networks that come with the package, with their cards."""

import os
import re
import shutil

import numpy as np
import pytest
import torch
from model_helpers import add_network, probabilities
from pipeline_helpers import REPOSITORY

from emnist.data.classes import CHARACTERS
from emnist.models import ARCHITECTURES, PRETRAINED, build_model, load_pretrained, pretrained
from emnist.reading.network import load_network
from emnist.utils.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    return tmp_path


def test_a_network_of_half_precision_is_loaded_in_single_precision(folder):
    add_network(folder)
    model, metadata = load_pretrained("small")
    assert not model.training and metadata["model"] == "lenet" and metadata["mean"] == 0.17
    torch.manual_seed(0)
    expected = build_model("lenet").half().float().state_dict()
    for key, tensor in model.state_dict().items():
        assert tensor.dtype == expected[key].dtype and tensor.equal(expected[key])


def test_an_unknown_name_is_refused_with_the_nearest(folder):
    add_network(folder)
    with pytest.raises(UserError, match=r"should be one of small, but is 'smal' \(did you mean small\?\)"):
        load_pretrained("smal")


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda folder: (folder / "small.md").unlink(), "the card of small.safetensors, is missing"),
        (lambda folder: (folder / "small.md").write_text("# A card\n"), "should begin with the network's architecture"),
        (lambda folder: (folder / "small.md").write_text("---\n- 1\n---\n"), "should begin with the network's"),
        (lambda folder: (folder / "small.md").write_text("---\na: [\n---\n"), "should begin with the network's"),
        (lambda folder: (folder / "small.md").write_bytes(b"---\n\xff---\n"), "should begin with the network's"),
        (lambda folder: add_network(folder, sha256="0" * 64), "describes other weights than small.safetensors"),
        (lambda folder: os.truncate(folder / "small.safetensors", 1000), "describes other weights"),
    ],
)
def test_a_network_that_does_not_fit_its_card_ends_in_one_sentence(folder, damage, sentence):
    add_network(folder)
    damage(folder)
    with pytest.raises(UserError, match=sentence) as error:
        load_pretrained("small")
    assert "restore both from git, or install the package again" in str(error.value)


@pytest.mark.parametrize("name", PRETRAINED)
def test_each_network_in_the_package_fits_its_card_and_reads(name):
    model, metadata = load_pretrained(name)
    assert metadata["classes"] == CHARACTERS
    images = np.random.default_rng(0).integers(256, size=(200, 28, 28), dtype=np.uint8)
    exported, expected = load_network(name), probabilities(model, metadata, images)
    assert (exported.metadata["architecture"], exported.classes) == (metadata["model"], tuple(CHARACTERS))
    np.testing.assert_allclose(exported.probabilities(images), expected, atol=0.02)  # both are of half precision


@pytest.mark.parametrize("name", PRETRAINED)
def test_each_card_says_what_a_user_must_know_and_names_no_path(name):
    text = (pretrained.FOLDER / f"{name}.md").read_text()
    for said in (
        f"`{name}.onnx`, the same for ONNX Runtime",
        "official test file",
        "NIST Special Database 19",
        "Made at commit `",
        "dvc exp run -S ",
    ):
        assert said in text, said
    table = text.split("## Classes")[1]
    assert [line[2] for line in table.splitlines() if line.startswith("| ")][2:] == list(CHARACTERS)
    assert "/" not in "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))


def test_the_networks_are_small():
    files = [path for path in (REPOSITORY / "emnist/pretrained").iterdir() if path.suffix == ".safetensors"]
    sizes = {path.stem: path.stat().st_size for path in files}
    assert 0 < sum(sizes.values()) < 11e6 and sum(sizes[name] for name in sizes if name in ARCHITECTURES) <= 10e6


def test_the_documentation_shows_the_scores_of_the_cards():
    text = (REPOSITORY / "docs/pretrained.md").read_text()
    for name in PRETRAINED:
        scores = pretrained.load_card(name)[1]["scores"]
        row = " | ".join(
            f"{100 * scores[data]['accuracy']:.2f}" for data in ("EMNIST ByClass", "handwriting62", "MNIST")
        )
        assert f"| {row} |" in next(line for line in text.splitlines() if line.startswith(f"| [{name}]"))


def test_an_exported_network_that_is_not_its_cards_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("emnist.reading.network.FOLDER", tmp_path)
    for suffix, name in [("md", "lenet"), ("onnx", "resnet")]:
        shutil.copy(REPOSITORY / f"emnist/pretrained/{name}.{suffix}", tmp_path / f"lenet.{suffix}")
    with pytest.raises(UserError, match="lenet.md describes another network than lenet.onnx"):
        load_network("lenet")
    shutil.copy(REPOSITORY / "emnist/pretrained/lenet.onnx", tmp_path)
    assert load_network("lenet").metadata["architecture"] == "lenet"
