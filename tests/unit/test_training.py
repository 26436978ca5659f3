"""The training loop: what it computes, when it stops, and that continuing changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from model_helpers import same
from torch import nn

from emnist.models import ARCHITECTURES, build_model
from emnist.params import Compute
from emnist.training.augmentation import Affine
from emnist.training.batches import ImageBatches
from emnist.training.hardware import Hardware, setup_hardware
from emnist.training.inference import predict_top3
from emnist.training.loop import Diverged, fit, seed_torch, train_epoch
from emnist.training.optimizers import SGD, Adam
from emnist.training.recipe import Recipe
from emnist.training.schedule import SCHEDULES
from emnist.utils.checkpoint import Checkpoint

CPU = Hardware(torch.device("cpu"), torch.float32, 2)
AUGMENTATIONS = [Affine(degrees=15, translate=0.1, scale=(0.9, 1.1), shear=3)]
STATISTICS = {"mean": 0.2, "std": 0.3}
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 62, 200).astype(np.uint8)
# A class is a bright row and a bright column: easy to learn.
PICTURES = RNG.integers(0, 60, (200, 28, 28), dtype=np.uint8)
for picture, label in zip(PICTURES, LABELS):
    picture[4 + label % 8 * 3] = picture[:, 4 + label // 8 * 3] = 255


RECIPE = Recipe(SGD(momentum=0.9, weight_decay=0.0), 0.02, 4, 32, augmentations=AUGMENTATIONS, clip_norm=1.0)


def batches_of(hardware=CPU, augmentations=AUGMENTATIONS):
    return ImageBatches(PICTURES, LABELS, hardware, STATISTICS, augmentations=augmentations)


@pytest.fixture
def images():
    return batches_of()


def test_batches_are_normalised_and_in_order_of_images_that_stay_where_they_are(images):
    batches = list(images.eval_batches(64))
    assert [len(labels) for _, labels in batches] == [64, 64, 64, 8]
    together = torch.cat([batch for batch, _ in batches])
    expected = (torch.from_numpy(PICTURES).float() / 255 - 0.2) / 0.3
    torch.testing.assert_close(together[:, 0], expected)
    assert images.images.data_ptr() == PICTURES.ctypes.data and images.images.dtype == torch.uint8


def test_shuffled_batches_hold_each_image_once_with_its_label_and_leave_out_what_does_not_fill_one():
    still = Affine(degrees=0, translate=0, scale=(1, 1), shear=0)
    for size, count in (50, 200), (64, 192):
        seen = []
        for batch, labels in batches_of(augmentations=[still]).train_batches(size, torch.Generator().manual_seed(0)):
            assert len(labels) == size
            for image, label in zip(batch[:, 0], labels):
                original = ((image * 0.3 + 0.2) * 255).round().to(torch.uint8).numpy()
                index = np.flatnonzero((PICTURES == original).all((1, 2))).item()
                assert LABELS[index] == label
                seen.append(index)
        assert len(set(seen)) == len(seen) == count and seen != sorted(seen)


def test_only_the_chosen_images_are_used():
    chosen = ImageBatches(PICTURES, LABELS, CPU, STATISTICS, np.array([5, 7]))
    ((batch, labels),) = chosen.eval_batches(10)
    assert labels.tolist() == LABELS[[5, 7]].tolist()


def test_an_epoch_is_sgd_on_the_mean_cross_entropy_with_the_gradient_clipped():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 62))
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batches = [(torch.randn(8, 1, 28, 28), torch.arange(8)) for _ in range(2)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scores = train_epoch(model, optimizer, batches, CPU, clip_norm=0.01)

    losses = []
    for images, labels in batches:
        weight, bias = (weights[name].requires_grad_() for name in ("1.weight", "1.bias"))
        loss = F.cross_entropy(images.flatten(1) @ weight.T + bias, labels)
        gradients = torch.autograd.grad(loss, (weight, bias))
        norm = sum(gradient.square().sum() for gradient in gradients).sqrt()
        assert norm > 0.01
        weights = {
            name: (tensor - 0.1 * 0.01 / norm * gradient).detach()
            for name, tensor, gradient in zip(weights, (weight, bias), gradients)
        }
        losses.append(loss.item())
    assert scores["train_loss"] == pytest.approx(np.mean(losses))
    torch.testing.assert_close(dict(model.state_dict()), weights, atol=1e-6, rtol=1e-4)


def train(images, checkpoint=None, validation=None, report=None, quiet=True, **changes):
    seed_torch(1, "weights")
    model = CPU.to_device(build_model("lenet"))  # in the memory format in which the stages train
    options = {"seed": 1, "validation": validation, "checkpoint": checkpoint, "report": report, "quiet": quiet}
    return model, fit("test", model, replace(RECIPE, **changes), images, **options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_training_on_a_gpu_repeats_bit_for_bit_and_ends_near_a_cpus(name):
    compute = Compute(device="cuda", precision="auto", threads="auto", workers=1)

    def epochs(choice):
        seed_torch(1, "weights")
        model = build_model(name)
        hardware = setup_hardware(choice, model)
        model = hardware.to_device(model)
        recipe = replace(RECIPE, learning_rate=0.01, epochs=2, batch_size=50)
        history = fit("test", model, recipe, batches_of(hardware), seed=1, quiet=True)
        return model, history

    (first, history), (second, again) = epochs(compute), epochs(compute)
    assert history == again and same(first, second)
    _, on_cpu = epochs(compute.model_copy(update={"device": "cpu"}))
    assert history[0]["train_loss"] == pytest.approx(on_cpu[0]["train_loss"], rel=0.1)


def test_the_best_weights_are_kept_and_patience_ends_training(images):
    validation = ImageBatches(PICTURES, (LABELS.astype(int) + 1).astype(np.uint8) % 62, CPU, STATISTICS)
    model, history = train(images, validation=validation, epochs=30, learning_rate=0.1, patience=2)
    losses = [row["validation_loss"] for row in history]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 30
    classes, _, kept = predict_top3(model, validation)
    assert kept.mean() == pytest.approx(losses[best], abs=1e-5)


class Killed(Exception):
    pass


@pytest.mark.parametrize("name, killed_after", [("sgd", 1), ("sgd", 4), ("adam", 3)])
def test_a_run_continued_from_its_checkpoint_ends_in_the_same_bits(images, tmp_path, name, killed_after):
    validation = ImageBatches(PICTURES[:50], LABELS[:50], CPU, STATISTICS)
    chosen = {} if name == "sgd" else {"optimizer": Adam(weight_decay=0.0), "learning_rate": 0.001}

    def run(checkpoint):
        return train(images, checkpoint, validation, patience=9, quiet=checkpoint is None, **chosen)

    class Fragile(Checkpoint):
        def save(self, tensors, info):
            super().save(tensors, info)
            if len(info) == killed_after:
                raise Killed

    undisturbed, history = run(None)
    with pytest.raises(Killed):
        run(Fragile("test-key", tmp_path))
    continued, again = run(Checkpoint("test-key", tmp_path))
    assert history == again and same(undisturbed, continued)


def test_divergence_ends_training_with_the_epoch_and_a_remedy(images):
    with pytest.raises(Diverged, match="epoch 1.*lower the learning rate"):
        train(images, learning_rate=1e30)


def test_the_three_most_probable_classes_and_their_scores(images):
    class Constant(nn.Module):
        def forward(self, batch):
            return torch.tensor([[0.0, 3, 1, 2] + [-9] * 58]).repeat(len(batch), 1)

    classes, confidence, losses = predict_top3(Constant(), images)
    probabilities = F.softmax(torch.tensor([0.0, 3, 1, 2] + [-9] * 58), 0)
    assert (classes == [1, 3, 2]).all()
    assert np.allclose(confidence, probabilities[1])
    assert np.allclose(losses, -probabilities.log()[LABELS.astype(int)])


@pytest.mark.parametrize(
    "schedule, factors",
    [("constant", [1, 1, 1, 1]), ("one_cycle", [0.04, 0.52, 1, 0]), ("cosine", [1, 0.9455, 0.7939, 0])],
)
def test_a_schedule_scales_the_learning_rate(schedule, factors):
    assert [SCHEDULES[schedule](done) for done in (0, 0.15, 0.3, 1)] == pytest.approx(factors, abs=1e-4)


def test_each_step_has_the_rate_of_its_place_in_the_whole_training(images):
    rates = []

    class Recorded(torch.optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    def recorded(parameters, learning_rate):
        return Recorded(parameters, lr=learning_rate)

    train(images, optimizer=recorded, learning_rate=0.5, epochs=3, batch_size=50, schedule="cosine")
    assert rates == pytest.approx([0.5 * (1 + np.cos(np.pi * step / 12)) / 2 for step in range(12)])


@pytest.mark.parametrize("without, augmented", [(0.0, 4), (0.25, 3), (1.0, 0)])
def test_the_last_epochs_train_on_the_images_as_they_are(without, augmented):
    calls, epochs = [], []

    def augment(chunk, generator):
        calls.append(len(epochs))
        return chunk

    train(batches_of(augmentations=[augment]), epochs=4, without_augmentation=without, report=epochs.append)
    assert sorted(set(calls)) == list(range(augmented))


def test_the_dropout_of_the_recipe_takes_the_place_of_the_layers_own(images):
    model, _ = train(images, epochs=1, dropout=0.3)
    assert {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)} == {0.3}
    model, _ = train(images, epochs=1)
    assert {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)} == {0.5}


@pytest.mark.parametrize("capability, chosen", [("AVX512_BF16", True), ("AVX2", False)])
def test_bfloat16_is_chosen_only_where_wide_instructions_are_not_hidden(monkeypatch, capability, chosen):
    """As ATEN_CPU_CAPABILITY hides them, though the processor has them."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    compute = Compute(device="cpu", precision="auto", threads=1, workers=1)
    assert (setup_hardware(compute, nn.Conv2d(1, 32, 3)).precision == torch.bfloat16) == chosen
