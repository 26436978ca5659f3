"""Each architecture is compared with a second statement of it: a plain function of the published tensors."""

import sys
from functools import cache
from itertools import product
from math import prod
from multiprocessing import get_context

import pytest
import torch
from model_helpers import check_bfloat16
from torch.nn import functional as F

from emnist.models import ARCHITECTURES, build_model, load_model, replace_head
from emnist.models.layers import set_dropout
from emnist.models.weights import save_weights
from emnist.utils.errors import UserError


class Layers:
    """Layers by name and width, as functions of published tensors, which are drawn where there are none yet.

    Under the drawn tensors every layer matters, unlike in a fresh model, whose BatchNorm does nothing.
    """

    def __init__(self, weights=None, training=False):
        self.weights, self.training = {} if weights is None else weights, training
        self.generator = torch.Generator().manual_seed(0)

    def draw(self, key, *shape, mean=0.0, spread=0.2):
        if key not in self.weights:
            self.weights[key] = mean + spread * torch.randn(shape, generator=self.generator).clamp(-2, 2)
        return self.weights[key]

    def matrix(self, layer, *shape, bias=True):
        weight = self.draw(f"{layer}.weight", *shape, spread=(2 / prod(shape[1:])) ** 0.5)
        return weight, self.draw(f"{layer}.bias", shape[0]) if bias else None

    def conv(self, x, layer, width, size=3, padding=0, stride=1, bias=True):
        return F.conv2d(x, *self.matrix(layer, width, x.shape[1], size, size, bias=bias), stride, padding)

    def linear(self, x, layer, width):
        return F.linear(x, *self.matrix(layer, width, x.shape[1]))

    def norm(self, x, layer):
        means = {"running_mean": 0, "running_var": 1, "weight": 1, "bias": 0}
        parts = [self.draw(f"{layer}.{part}", x.shape[1], mean=mean).clone() for part, mean in means.items()]
        self.weights.setdefault(f"{layer}.num_batches_tracked", torch.tensor(7))
        return F.batch_norm(x, *parts, self.training)

    def dropout(self, x, p=0.5):
        return x * (torch.rand(x.shape) >= p) / (1 - p) if self.training else x


def lenet(net, x):
    x = F.max_pool2d(F.relu(net.conv(x, "features.0", 6, 5)), 2)
    x = F.max_pool2d(F.relu(net.conv(x, "features.3", 16, 5)), 2)
    x = F.adaptive_avg_pool2d(x, 3).flatten(1)
    x = F.relu(net.norm(net.linear(net.dropout(x), "classifier.1", 120), "classifier.2"))
    x = F.relu(net.norm(net.linear(net.dropout(x), "classifier.5", 84), "classifier.6"))
    return net.linear(x, "classifier.8", 62)


def alexnet(net, x):
    x = F.max_pool2d(F.relu(net.conv(x, "features.0", 16, padding=2)), 3, 2)
    x = F.max_pool2d(F.relu(net.conv(x, "features.3", 48, padding=2)), 3, 2)
    for layer, width in (6, 96), (8, 64), (10, 64):
        x = F.relu(net.conv(x, f"features.{layer}", width, padding=1))
    x = F.adaptive_avg_pool2d(F.max_pool2d(x, 3, 2), 3).flatten(1)
    x = F.relu(net.norm(net.linear(net.dropout(x), "classifier.1", 1024), "classifier.2"))
    x = F.relu(net.norm(net.linear(net.dropout(x), "classifier.5", 1024), "classifier.6"))
    return net.linear(x, "classifier.8", 62)


def vggnet(net, x):
    for layer, width in (0, 16), (2, 32), (5, 64), (7, 64), (9, 128), (11, 128), (14, 128), (16, 128):
        x = F.relu(net.conv(x, f"features.{layer}", width, padding=1))
        if layer in (2, 11):
            x = F.max_pool2d(x, 2)
    x = F.adaptive_avg_pool2d(x, 3).flatten(1)
    x = net.dropout(F.relu(net.norm(net.linear(x, "classifier.0", 512), "classifier.1")))
    x = net.dropout(F.relu(net.norm(net.linear(x, "classifier.4", 512), "classifier.5")))
    return net.linear(x, "classifier.8", 62)


def resnet(net, x):
    x = net.conv(x, "model.0", 16, padding=1, bias=False)
    x = F.max_pool2d(F.relu(net.norm(x, "model.1")), 3, 2, 1)
    for (stage, width), block in product([(4, 16), (5, 32), (6, 64), (7, 128)], (0, 1)):
        name, stride = f"model.{stage}.{block}", 2 if stage > 4 and block == 0 else 1
        out = net.conv(x, f"{name}.conv1", width, padding=1, stride=stride, bias=False)
        out = net.conv(F.relu(net.norm(out, f"{name}.bn1")), f"{name}.conv2", width, padding=1, bias=False)
        out = net.norm(out, f"{name}.bn2")
        if stride == 2:
            x = net.norm(net.conv(x, f"{name}.shortcut.0", width, 1, stride=2, bias=False), f"{name}.shortcut.1")
        x = F.relu(out + x)
    return net.linear(x.mean(dim=(2, 3)), "model.10", 62)


def spinalnet(net, x):
    x = F.max_pool2d(F.relu(net.norm(net.conv(x, "features.0", 32, 5, padding=2), "features.1")), 2)
    x = F.max_pool2d(F.relu(net.norm(net.conv(x, "features.4", 64, 5, padding=2), "features.5")), 2)
    first, second = x.flatten(1)[:, :1568], x.flatten(1)[:, 1568:]
    spine = [net.dropout(F.relu(net.linear(first, "spinal_layer1", 50)))]
    for i, half in enumerate([second, first, second], start=2):
        joined = torch.cat([half, spine[-1]], dim=1)
        spine.append(net.dropout(F.relu(net.linear(joined, f"spinal_layer{i}", 50))))
    return net.linear(torch.cat(spine, dim=1), "classifier", 62)


def ensnet(net, x):
    for layer, width, padding in (0, 64, 1), (4, 128, 0), (8, 256, 1), (13, 512, 1), (17, 1024, 0), (21, 2000, 1):
        x = net.conv(x, f"features.{layer}", width, padding=padding)
        x = F.relu(net.norm(x, f"features.{layer + 1}"))
        if layer in (8, 21):
            x = F.max_pool2d(x, 2)
        x = net.dropout(x, 0.35)
    x = F.adaptive_avg_pool2d(x, 3).flatten(1)
    weights = net.draw("weights", 11)
    logits = weights[0] * net.linear(x[:, :1800], "classifier_major", 62)
    for i in range(10):
        logits = logits + weights[i + 1] * net.linear(x[:, 1800 * i : 1800 * (i + 1)], f"classifiers.{i}", 62)
    return logits


PUBLISHED = {each.__name__: each for each in (lenet, alexnet, vggnet, resnet, spinalnet, ensnet)}


@cache
def random_weights(name):
    """Give random tensors of the published names and shapes."""
    layers = Layers()
    PUBLISHED[name](layers, torch.zeros(1, 1, 28, 28))
    return layers.weights


each_architecture = pytest.mark.parametrize("name", ARCHITECTURES)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def images():
    return torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_tensors_of_the_published_names_and_shapes_give_the_published_outputs(name, training, images):
    weights = {key: tensor.double() for key, tensor in random_weights(name).items()}  # whatever the processor rounds
    images = images.double()
    model = build_model(name).double().train(training)
    model.load_state_dict(weights, strict=True)
    torch.manual_seed(2)  # dropout then falls on the same units, if it is in the same places
    expected = PUBLISHED[name](Layers(weights, training), images)
    torch.manual_seed(2)
    assert expected.std() > 0.1
    torch.testing.assert_close(model(images), expected, rtol=1e-9, atol=1e-9)


HEADS = dict.fromkeys(PUBLISHED, ("classifier.8.",)) | {
    "resnet": ("model.10.",),
    "spinalnet": ("classifier.",),
    "ensnet": ("classifier_major.", "classifiers.", "weights"),
}


@each_architecture
def test_a_new_head_is_all_that_learns(name, images):
    model = build_model(name).eval()
    if name in PUBLISHED:
        model.load_state_dict(random_weights(name))
    logits, features = model(images), model.forward_features(images)
    assert features.ndim == 2

    new = replace_head(model, num_classes=10).eval()
    new(images).sum().backward()
    torch.testing.assert_close(new.forward_features(images), features)
    assert new(images).shape == (2, 10) and torch.equal(model(images), logits)  # the model is as it was
    assert all(parameter.requires_grad for parameter in model.parameters())
    head = {key for key, parameter in new.named_parameters() if parameter.grad is not None}
    assert head == {key for key in new.state_dict() if key.startswith(HEADS.get(name, new.head_prefix))}
    assert head < set(new.state_dict())


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
