"""A published network fits its card, and the card says what was measured."""

import json
import shutil

import numpy as np
import pytest
import torch
from idx_fixtures import EMNIST_NAMES, MNIST_NAMES, contents, write_official
from model_helpers import probabilities
from pipeline_helpers import REPOSITORY

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_emnist
from emnist.export import STANDARD
from emnist.models import build_model, load_pretrained, pretrained
from emnist.models.weights import save_weights
from emnist.reading.network import Network
from tools import publish


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Of 70 test images of each kind, and of networks, to which `publish.main` publishes a run's."""
    run, images, networks = tmp_path / "run", tmp_path / "images", tmp_path / "networks"
    for folder in (run / "metrics", run / "data/weights", images, networks):
        folder.mkdir(parents=True)
    shutil.copy(REPOSITORY / "params.yaml", run)
    best = {"learning_rate": 0.1, "batch_size": 64, "momentum": 0.9, "weight_decay": 0.0001}
    (run / "metrics/search.json").write_text(json.dumps({"best": best}))
    torch.manual_seed(0)
    metadata = {"model": "lenet", "classes": CHARACTERS, "mean": 0.17, "std": 0.33}
    save_weights(run / "data/weights/finetune.safetensors", build_model("lenet"), **metadata)
    write_official(images, EMNIST_NAMES + MNIST_NAMES)
    for module in (publish, pretrained):
        monkeypatch.setattr(module, "FOLDER", networks)
    of_images = [f"--{name}={images}" for name in ("emnist", "handwriting", "mnist")]
    words = ["--data=noise", "--warning=Never.", "--commit=abc", "--command=dvc repro", "--processor=a processor"]
    monkeypatch.setattr("sys.argv", ["publish", "noise", str(run), *of_images, *words])
    return images, networks


def test_a_published_network_scores_as_its_card_says_of_the_precision_that_changes_few_readings(folders, monkeypatch):
    images, networks = folders
    publish.main()
    model, metadata = load_pretrained("noise")
    test_images, labels = load_emnist("test", folder=images)
    accuracy = np.mean(probabilities(model, metadata, test_images).argmax(1) == labels)
    card = pretrained.load_card("noise")[1]
    assert card["scores"]["EMNIST ByClass"]["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert card["parameters"] == 35_814
    network = Network(networks / "noise.onnx")
    about = {"architecture": "lenet", "classes": CHARACTERS, "data": "noise", "recipe": "annealed"}
    assert network.metadata == STANDARD | about | {"model_author": "EMNIST DVC contributors", "model_license": "MIT"}
    assert np.mean(network.probabilities(test_images).argmax(1) == labels) == pytest.approx(accuracy, abs=1 / 70 + 1e-6)
    assert (networks / "noise.onnx").stat().st_size < 3 * 35_814
    text = (networks / "noise.md").read_text()
    for said in (
        "noise",
        "Never.",
        "`abc`",
        "dvc repro",
        "a processor",
        "half precision",
        "`noise.onnx`, the same for ONNX Runtime, holds half precision",
        "| z | 1 |",
        "Special Database 19",
    ):
        assert said in text, said
    assert set(contents(networks)) == {"noise.md", "noise.onnx", "noise.safetensors"}

    monkeypatch.setattr(publish, "LARGEST_CHANGE", -1)
    publish.main()
    text = (networks / "noise.md").read_text()
    assert "holds single precision, which changes 0 of 70" in text.replace("\n", " ")
    assert (networks / "noise.safetensors").stat().st_size > 4 * 35_814
    assert "`noise.onnx`, the same for ONNX Runtime, holds single precision, which changes 0." in text
    assert (networks / "noise.onnx").stat().st_size > 4 * 35_814
