"""Each architecture is compared with a second statement of it: a plain function of the published tensors."""

import subprocess
import sys
from functools import cache

import pytest
import torch
from model_helpers import check_bfloat16
from torch.nn import functional as F

from emnist.models import ARCHITECTURES, build_model, load_model, replace_head
from emnist.models.layers import set_dropout
from emnist.models.weights import save_weights
from emnist.utils.errors import UserError

PARAMETERS = {
    "lenet": 35_814,
    "alexnet": 1_849_070,
    "vggnet": 1_463_678,
    "resnet": 707_886,
    "spinalnet": 386_050,
    "ensnet": 25_939_701,
}


def residual_block(entering, width):
    shortcut = {"shortcut.0": (width, entering, 1, 1), "shortcut.1": (width,)} if entering != width else {}
    first = {"conv1": (width, entering, 3, 3), "bn1": (width,)}
    return first | {"conv2": (width, width, 3, 3), "bn2": (width,)} | shortcut


# Layer -> shape of its weight: 4 numbers are a convolution, 2 a linear layer, 1 a BatchNorm.
LAYERS = {
    "lenet": {
        "features.0": (6, 1, 5, 5),
        "features.3": (16, 6, 5, 5),
        "classifier.1": (120, 144),
        "classifier.2": (120,),
        "classifier.5": (84, 120),
        "classifier.6": (84,),
        "classifier.8": (62, 84),
    },
    "alexnet": {
        "features.0": (16, 1, 3, 3),
        "features.3": (48, 16, 3, 3),
        "features.6": (96, 48, 3, 3),
        "features.8": (64, 96, 3, 3),
        "features.10": (64, 64, 3, 3),
        "classifier.1": (1024, 576),
        "classifier.2": (1024,),
        "classifier.5": (1024, 1024),
        "classifier.6": (1024,),
        "classifier.8": (62, 1024),
    },
    "vggnet": {
        "features.0": (16, 1, 3, 3),
        "features.2": (32, 16, 3, 3),
        "features.5": (64, 32, 3, 3),
        "features.7": (64, 64, 3, 3),
        "features.9": (128, 64, 3, 3),
        "features.11": (128, 128, 3, 3),
        "features.14": (128, 128, 3, 3),
        "features.16": (128, 128, 3, 3),
        "classifier.0": (512, 1152),
        "classifier.1": (512,),
        "classifier.4": (512, 512),
        "classifier.5": (512,),
        "classifier.8": (62, 512),
    },
    "resnet": {
        "model.0": (16, 1, 3, 3),
        "model.1": (16,),
        **{
            f"model.{stage}.{block}.{layer}": shape
            for stage, width in [(4, 16), (5, 32), (6, 64), (7, 128)]
            for block in (0, 1)
            for layer, shape in residual_block(width if block or stage == 4 else width // 2, width).items()
        },
        "model.10": (62, 128),
    },
    "spinalnet": {
        "features.0": (32, 1, 5, 5),
        "features.1": (32,),
        "features.4": (64, 32, 5, 5),
        "features.5": (64,),
        "spinal_layer1": (50, 1568),
        "spinal_layer2": (50, 1618),
        "spinal_layer3": (50, 1618),
        "spinal_layer4": (50, 1618),
        "classifier": (62, 200),
    },
    "ensnet": {
        "features.0": (64, 1, 3, 3),
        "features.1": (64,),
        "features.4": (128, 64, 3, 3),
        "features.5": (128,),
        "features.8": (256, 128, 3, 3),
        "features.9": (256,),
        "features.13": (512, 256, 3, 3),
        "features.14": (512,),
        "features.17": (1024, 512, 3, 3),
        "features.18": (1024,),
        "features.21": (2000, 1024, 3, 3),
        "features.22": (2000,),
        "classifier_major": (62, 1800),
        **{f"classifiers.{i}": (62, 1800) for i in range(10)},
    },
}


def published_shapes(name):
    shapes = {"weights": (11,)} if name == "ensnet" else {}
    for layer, shape in LAYERS[name].items():
        shapes[f"{layer}.weight"] = shape
        if not (name == "resnet" and len(shape) == 4):
            shapes[f"{layer}.bias"] = shape[:1]
        if len(shape) == 1:
            shapes |= {
                f"{layer}.running_mean": shape,
                f"{layer}.running_var": shape,
                f"{layer}.num_batches_tracked": (),
            }
    return shapes


@cache
def random_weights(name):
    """Draw tensors under which every layer matters, unlike a fresh model's, whose BatchNorm does nothing."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for key, shape in published_shapes(name).items():
        noise = torch.randn(shape, generator=generator).clamp(-2, 2)
        if key.endswith("num_batches_tracked"):
            weights[key] = torch.tensor(7)
        elif len(shape) > 1:
            weights[key] = noise * (2 / noise[0].numel()) ** 0.5
        else:
            weights[key] = 0.2 * noise + key.endswith(("weight", "running_var"))
    return weights


class Layers:
    """Layers by name, as functions of published tensors."""

    def __init__(self, weights, training):
        self.weights, self.training = weights, training

    def conv(self, x, layer, **options):
        return F.conv2d(x, self.weights[f"{layer}.weight"], self.weights.get(f"{layer}.bias"), **options)

    def linear(self, x, layer):
        return F.linear(x, self.weights[f"{layer}.weight"], self.weights[f"{layer}.bias"])

    def norm(self, x, layer):
        mean, variance, weight, bias = (
            self.weights[f"{layer}.{part}"].clone() for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, variance, weight, bias, self.training)

    def dropout(self, x, p=0.5):
        return x * (torch.rand(x.shape) >= p) / (1 - p) if self.training else x


def lenet(net, x):
    x = F.max_pool2d(F.relu(net.conv(x, "features.0")), 2)
    x = F.max_pool2d(F.relu(net.conv(x, "features.3")), 2)
    x = F.adaptive_avg_pool2d(x, 3).flatten(1)
    x = F.relu(net.norm(net.linear(net.dropout(x), "classifier.1"), "classifier.2"))
    x = F.relu(net.norm(net.linear(net.dropout(x), "classifier.5"), "classifier.6"))
    return net.linear(x, "classifier.8")


def alexnet(net, x):
    x = F.max_pool2d(F.relu(net.conv(x, "features.0", padding=2)), 3, 2)
    x = F.max_pool2d(F.relu(net.conv(x, "features.3", padding=2)), 3, 2)
    for layer in "features.6", "features.8", "features.10":
        x = F.relu(net.conv(x, layer, padding=1))
    x = F.adaptive_avg_pool2d(F.max_pool2d(x, 3, 2), 3).flatten(1)
    x = F.relu(net.norm(net.linear(net.dropout(x), "classifier.1"), "classifier.2"))
    x = F.relu(net.norm(net.linear(net.dropout(x), "classifier.5"), "classifier.6"))
    return net.linear(x, "classifier.8")


def vggnet(net, x):
    for layer in 0, 2, 5, 7, 9, 11, 14, 16:
        x = F.relu(net.conv(x, f"features.{layer}", padding=1))
        if layer in (2, 11):
            x = F.max_pool2d(x, 2)
    x = F.adaptive_avg_pool2d(x, 3).flatten(1)
    x = net.dropout(F.relu(net.norm(net.linear(x, "classifier.0"), "classifier.1")))
    x = net.dropout(F.relu(net.norm(net.linear(x, "classifier.4"), "classifier.5")))
    return net.linear(x, "classifier.8")


def resnet(net, x):
    x = F.max_pool2d(F.relu(net.norm(net.conv(x, "model.0", padding=1), "model.1")), 3, 2, 1)
    for block in "4.0", "4.1", "5.0", "5.1", "6.0", "6.1", "7.0", "7.1":
        name, stride = f"model.{block}", 2 if block in ("5.0", "6.0", "7.0") else 1
        out = F.relu(net.norm(net.conv(x, f"{name}.conv1", padding=1, stride=stride), f"{name}.bn1"))
        out = net.norm(net.conv(out, f"{name}.conv2", padding=1), f"{name}.bn2")
        if stride == 2:
            x = net.norm(net.conv(x, f"{name}.shortcut.0", stride=2), f"{name}.shortcut.1")
        x = F.relu(out + x)
    return net.linear(x.mean(dim=(2, 3)), "model.10")


def spinalnet(net, x):
    x = F.max_pool2d(F.relu(net.norm(net.conv(x, "features.0", padding=2), "features.1")), 2)
    x = F.max_pool2d(F.relu(net.norm(net.conv(x, "features.4", padding=2), "features.5")), 2)
    first, second = x.flatten(1)[:, :1568], x.flatten(1)[:, 1568:]
    spine = [net.dropout(F.relu(net.linear(first, "spinal_layer1")))]
    for i, half in enumerate([second, first, second], start=2):
        joined = torch.cat([half, spine[-1]], dim=1)
        spine.append(net.dropout(F.relu(net.linear(joined, f"spinal_layer{i}"))))
    return net.linear(torch.cat(spine, dim=1), "classifier")


def ensnet(net, x):
    for layer, padding in (0, 1), (4, 0), (8, 1), (13, 1), (17, 0), (21, 1):
        x = F.relu(net.norm(net.conv(x, f"features.{layer}", padding=padding), f"features.{layer + 1}"))
        if layer in (8, 21):
            x = F.max_pool2d(x, 2)
        x = net.dropout(x, 0.35)
    x = F.adaptive_avg_pool2d(x, 3).flatten(1)
    weights = net.weights["weights"]
    logits = weights[0] * net.linear(x[:, :1800], "classifier_major")
    for i in range(10):
        logits = logits + weights[i + 1] * net.linear(x[:, 1800 * i : 1800 * (i + 1)], f"classifiers.{i}")
    return logits


REFERENCES = {
    "lenet": lenet,
    "alexnet": alexnet,
    "vggnet": vggnet,
    "resnet": resnet,
    "spinalnet": spinalnet,
    "ensnet": ensnet,
}

each_architecture = pytest.mark.parametrize("name", ARCHITECTURES)
each_published = pytest.mark.parametrize("name", REFERENCES)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def images():
    return torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(1))


@each_published
def test_weights_have_the_published_names_shapes_and_number(name):
    model = build_model(name)
    assert {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()} == published_shapes(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


@each_published
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_same_tensors_give_the_published_outputs(name, training, images):
    weights = {key: tensor.double() for key, tensor in random_weights(name).items()}  # whatever the processor rounds
    images = images.double()
    model = build_model(name).double().train(training)
    model.load_state_dict(weights, strict=True)
    torch.manual_seed(2)  # dropout then falls on the same units, if it is in the same places
    expected = REFERENCES[name](Layers(weights, training), images)
    torch.manual_seed(2)
    assert expected.std() > 0.1
    torch.testing.assert_close(model(images), expected, rtol=1e-9, atol=1e-9)


@each_architecture
def test_embedding_then_classifying_is_the_whole_model(name, images):
    model = build_model(name).eval()
    features = model.embed(images)
    assert features.ndim == 2
    torch.testing.assert_close(model.classify(features), model(images))


HEADS = {
    **dict.fromkeys(["lenet", "alexnet", "vggnet"], {"classifier.8.weight", "classifier.8.bias"}),
    "resnet": {"model.10.weight", "model.10.bias"},
    "spinalnet": {"classifier.weight", "classifier.bias"},
    "ensnet": {
        "classifier_major.weight",
        "classifier_major.bias",
        "weights",
        *(f"classifiers.{i}.{part}" for i in range(10) for part in ("weight", "bias")),
    },
}


@each_architecture
def test_new_head_is_all_that_learns(name, images):
    model = build_model(name).eval()
    if name in REFERENCES:
        model.load_state_dict(random_weights(name))
    new = replace_head(model, num_classes=10).eval()
    new(images).sum().backward()

    torch.testing.assert_close(new.embed(images), model.embed(images))
    assert new(images).shape == (2, 10)
    head = {key for key, parameter in new.named_parameters() if parameter.grad is not None}
    assert head == {key for key in new.state_dict() if key.startswith(new.HEAD)} != set(new.state_dict())
    assert head == HEADS.get(name, head)


def test_dropout_is_set_in_all_layers_or_left_as_it_is():
    images = torch.rand(8, 1, 28, 28)
    for rate, same in [(0.0, True), (None, False)]:
        model = build_model("lenet").train()
        set_dropout(model, rate)
        assert torch.equal(model(images), model(images)) == same


def test_replacing_the_head_leaves_the_model_as_it_was():
    model = build_model("lenet")
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    replace_head(model, num_classes=10)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name, layer", [("vggnet", "features.9"), ("resnet", "model.7.0.conv1")])
def test_fresh_convolutions_keep_the_variance_of_gradients(name, layer):
    weight = build_model(name).state_dict()[f"{layer}.weight"]
    assert weight.shape == (128, 64, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (128 * 3 * 3)) ** 0.5, rel=0.02)


def test_fresh_linear_layers_start_small_except_in_resnet():
    assert build_model("vggnet").classifier[4].weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert build_model("resnet").model[10].weight.std().item() == pytest.approx((2 / 62) ** 0.5, rel=0.05)


@pytest.mark.parametrize(
    "name, sentence", [("vgnet", r"is 'vgnet' \(did you mean vggnet"), ("xyzzy", "one of alexnet, ensnet"), (7, "is 7")]
)
def test_unknown_architecture_is_refused_with_the_nearest_name(name, sentence):
    with pytest.raises(UserError, match=sentence):
        build_model(name)


def test_only_the_architecture_asked_for_is_imported():
    code = """import sys; from emnist.models import build_model; assert "torch" not in sys.modules
build_model("lenet"); print(*sorted(name for name in sys.modules if name.startswith("emnist.architectures.")))"""
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert imported.split() == ["emnist.architectures.lenet"]


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


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 1000, -1])
def test_truncated_weights_are_refused(tmp_path, length):
    path = tmp_path / "w.safetensors"
    save_weights(path, build_model("lenet", 10), **ABOUT)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match="w.safetensors .* damaged"):
        load_model(path)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "ensnet"])  # it is in test_full_size.py
def test_an_architecture_trains_in_bfloat16_and_channels_last(name):
    check_bfloat16(name)
