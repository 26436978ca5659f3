"""The architectures as they were published; test_pretrained.py compares what five of them compute with their ONNX files."""

import sys
from multiprocessing import get_context

import pytest
import torch
from model_helpers import check_bfloat16
from torch import nn
from torch.nn import functional as F

from emnist.evaluation.cost import count_parameters
from emnist.models import ARCHITECTURES, build_model, load_model, replace_head
from emnist.models.layers import set_dropout
from emnist.models.weights import save_weights
from emnist.utils.errors import UserError

each_architecture = pytest.mark.parametrize("name", ARCHITECTURES)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def images():
    return torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(1))


PUBLISHED = {  # the number of parameters, and the rate of each layer of dropout
    "lenet": (35_814, {"classifier.0": 0.5, "classifier.4": 0.5}),
    "alexnet": (1_849_070, {"classifier.0": 0.5, "classifier.4": 0.5}),
    "vggnet": (1_463_678, {"classifier.3": 0.5, "classifier.7": 0.5}),
    "resnet": (707_886, {}),
    "spinalnet": (386_050, {"dropout": 0.5}),
    "ensnet": (25_939_701, {f"features.{layer}": 0.35 for layer in (3, 7, 12, 16, 20, 25)}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_architecture_has_the_size_and_the_dropout_that_it_was_published_with(name):
    model = build_model(name)
    rates = {layer: module.p for layer, module in model.named_modules() if isinstance(module, nn.Dropout)}
    assert (count_parameters(model), rates) == PUBLISHED[name]


def test_ensnet_which_has_no_onnx_file_is_eleven_weighted_votes_on_its_maps(images):
    model = build_model("ensnet").eval()
    weights, maps = model.state_dict(), images
    for tensor in weights.values():
        if tensor.ndim == 1:  # of BatchNorm, and the votes: alike in a fresh model
            tensor.add_(torch.rand(tensor.shape))
    for layer, padding in [(0, 1), (4, 0), (8, 1), (13, 1), (17, 0), (21, 1)]:
        weight, bias = (weights[f"features.{layer}.{part}"] for part in ("weight", "bias"))
        norm = [weights[f"features.{layer + 1}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        maps = F.relu(F.batch_norm(F.conv2d(maps, weight, bias, padding=padding), *norm))
        if layer in (8, 21):
            maps = F.max_pool2d(maps, 2)
    groups = F.adaptive_avg_pool2d(maps, 3).flatten(1).split(200 * 3 * 3, dim=1)
    voters = ["classifier_major", *(f"classifiers.{number}" for number in range(10))]
    expected = sum(
        share * F.linear(group, weights[f"{voter}.weight"], weights[f"{voter}.bias"])
        for share, voter, group in zip(weights["weights"], voters, [groups[0], *groups])
    )
    assert expected.std() > 0.1
    torch.testing.assert_close(model(images), expected)


def test_spinalnet_drops_units_of_each_layer_of_its_spine(images):
    model = build_model("spinalnet").train()
    set_dropout(model, 1.0)
    assert not model.forward_features(images).any()


@each_architecture
def test_a_model_classifies_what_it_embeds_and_a_new_head_is_all_that_learns(name, images):
    model = build_model(name).eval()
    logits, features = model(images), model.forward_features(images).detach()
    assert features.ndim == 2
    torch.testing.assert_close(model.forward_head(features), logits)
    model.forward_head(features).sum().backward()
    head = {key for key, parameter in model.named_parameters() if parameter.grad is not None}

    new = replace_head(model, num_classes=10).eval()
    (classes := new(images)).sum().backward()
    torch.testing.assert_close(new.forward_features(images), features)
    assert classes.shape == (2, 10) and torch.equal(model(images), logits)  # the model is as it was
    assert all(parameter.requires_grad for parameter in model.parameters())
    learning = {key for key, parameter in new.named_parameters() if parameter.grad is not None}
    assert learning == head < set(new.state_dict())


def test_dropout_is_set_in_all_layers_or_left_as_it_is():
    images = torch.rand(8, 1, 28, 28)
    for rate, same in [(0.0, True), (None, False)]:
        model = build_model("lenet").train()
        set_dropout(model, rate)
        assert torch.equal(model(images), model(images)) == same


@pytest.mark.parametrize(
    "name, weight, deviation, tolerance",
    [
        ("vggnet", "features.9", (2 / (128 * 3 * 3)) ** 0.5, 0.02),  # keeps the variance of gradients
        ("resnet", "model.7.0.conv1", (2 / (128 * 3 * 3)) ** 0.5, 0.02),
        ("vggnet", "classifier.4", 0.01, 0.02),
        ("resnet", "model.10", (2 / 62) ** 0.5, 0.05),
    ],
)
def test_fresh_weights_have_the_deviation_that_training_needs(name, weight, deviation, tolerance):
    drawn = build_model(name).state_dict()[f"{weight}.weight"].std().item()
    assert drawn == pytest.approx(deviation, rel=tolerance)


@pytest.mark.parametrize(
    "name, sentence", [("vgnet", r"is 'vgnet' \(did you mean vggnet"), ("xyzzy", "one of alexnet, ensnet"), (7, "is 7")]
)
def test_unknown_architecture_is_refused_with_the_nearest_name(name, sentence):
    with pytest.raises(UserError, match=sentence):
        build_model(name)


def architectures_that_lenet_imports():
    for name in [name for name in sys.modules if name.startswith("emnist")]:
        del sys.modules[name]
    sys.modules["torch"] = None  # which is imported only when a network is built
    from emnist.models import build_model

    sys.modules["torch"] = torch
    build_model("lenet")
    return [name for name in sys.modules if name.startswith("emnist.architectures.")]


def test_only_the_architecture_asked_for_is_imported():
    with get_context("fork").Pool(1) as process:  # one that need not import torch, which takes seconds
        assert process.apply(architectures_that_lenet_imports) == ["emnist.architectures.lenet"]


ABOUT = {"model": "lenet", "classes": "0123456789", "mean": 0.17, "std": 0.33}


def test_saved_model_comes_back_ready_to_predict(tmp_path, images):
    model = build_model("lenet", 10).eval()
    for name in ("again.safetensors", "w.safetensors"):
        save_weights(tmp_path / name, model, **ABOUT)
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "w.safetensors").read_bytes()
    loaded, about = load_model(tmp_path / "w.safetensors")
    assert about == ABOUT
    assert torch.equal(loaded(images), model(images))


@pytest.mark.parametrize(
    "about, sentence",
    [
        (ABOUT | {"model": "resnet"}, "should hold the weights of resnet"),
        (ABOUT | {"classes": "01234567890"}, "should hold the weights of lenet"),
        (ABOUT | {"model": "vgnet"}, "should say which model"),
        (ABOUT | {"model": []}, "should say which model"),
        (ABOUT | {"classes": None}, "should say which model"),
        (ABOUT | {"std": "wide"}, "should say which model"),
        ({}, "should say which model"),
    ],
)
def test_weights_that_are_not_what_they_say_are_refused(tmp_path, about, sentence):
    path = tmp_path / "w.safetensors"
    save_weights(path, build_model("lenet", 10), **about)
    with pytest.raises(UserError, match=f"{path.name} {sentence}"):
        load_model(path)


@pytest.mark.parametrize("length", [0, 7, 9, 1000, -1])
def test_truncated_weights_are_refused(tmp_path, length):
    path = tmp_path / "w.safetensors"
    save_weights(path, build_model("lenet", 10), **ABOUT)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match="w.safetensors .* damaged"):
        load_model(path)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "ensnet"])  # it is in test_full_size.py
def test_an_architecture_trains_in_bfloat16_and_channels_last(name):
    check_bfloat16(name)
