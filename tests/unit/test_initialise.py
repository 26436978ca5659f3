"""The stage `initialise`: random weights from the seed alone, or those of a pretrained network."""

import pytest
import torch
from model_helpers import add_network, same
from pipeline_helpers import REPOSITORY, set_params

from emnist.data.classes import CHARACTERS
from emnist.models import build_model, load_model, pretrained
from emnist.params import load_params
from emnist.training.loop import seed_torch
from stages import initialise

WEIGHTS = "data/weights/initial.safetensors"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the project's parameters, but of lenet, and with another network `lenet`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "networks")
    (tmp_path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    set_params(tmp_path, model="lenet", pretrained=None)
    (tmp_path / "networks").mkdir()
    add_network(tmp_path / "networks", "lenet")
    return tmp_path


def test_random_weights_are_those_of_the_seed_whatever_was_drawn_before(folder):
    seed_torch(42, "weights")
    expected = build_model("lenet")
    torch.rand(7)
    initialise.main(load_params())
    model, metadata = load_model(WEIGHTS)
    assert same(model, expected) and metadata["model"] == "lenet" and metadata["classes"] == CHARACTERS
    set_params(folder, seed=7)
    initialise.main(load_params())
    assert not same(load_model(WEIGHTS)[0], expected)


def test_weights_of_a_pretrained_network_do_not_depend_on_the_seed(folder):
    for seed in (42, 7):
        set_params(folder, pretrained="lenet", seed=seed)
        initialise.main(load_params())
        model, metadata = load_model(WEIGHTS)
        assert same(model, load_model(folder / "networks/lenet.safetensors")[0]) and metadata["mean"] == 0.17


def test_a_pretrained_network_keeps_its_features_for_other_characters(folder):
    set_params(folder, pretrained="lenet", dataset=["а", "plus"])
    initialise.main(load_params())
    (model, metadata), expected = load_model(WEIGHTS), load_model(folder / "networks/lenet.safetensors")[0].state_dict()
    assert metadata["classes"] == ["а", "plus"] and metadata["mean"] == 0.17
    differing = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, expected[name])}
    assert differing and all(name.startswith(model.head_prefix) for name in differing)
