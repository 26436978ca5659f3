"""The faster layers compute what PyTorch's compute."""

import pytest
import torch
from torch import nn

from emnist.models.layers import Conv2d, Dropout
from emnist.params import load_params
from emnist.training.hardware import setup_hardware


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_dropout_leaves_out_its_rate_of_the_units_and_scales_the_others(rate):
    torch.manual_seed(0)
    units = torch.ones(100_000, requires_grad=True)
    left = Dropout(rate)(units)
    left.sum().backward()
    assert (left == 0).float().mean().item() == pytest.approx(rate, abs=0.01)
    assert left[left != 0].unique().item() == pytest.approx(1 / (1 - rate))
    assert torch.equal(units.grad, left)


@pytest.mark.parametrize("rate, training, left", [(0.0, True, 1000), (1.0, True, 0), (0.5, False, 1000)])
def test_dropout_leaves_all_or_nothing_where_that_is_its_rate_and_all_in_inference(rate, training, left):
    assert Dropout(rate).train(training)(torch.ones(1000)).sum() == left


def test_dropout_keeps_the_precision():
    assert Dropout()(torch.ones(10, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_padding_beforehand_gives_the_outputs_and_gradients_of_padding_inside(padding):
    inside, beforehand = nn.Conv2d(3, 4, 3, padding=padding), Conv2d(3, 4, 3, padding)
    beforehand.load_state_dict(inside.state_dict())
    maps = torch.rand(2, 3, 8, 8)
    for layer in (inside, beforehand):
        layer(maps).square().sum().backward()
    torch.testing.assert_close(beforehand(maps), inside(maps))
    torch.testing.assert_close(beforehand.weight.grad, inside.weight.grad)


def test_new_memory_is_not_filled_before_it_is_written():
    setup_hardware(load_params().compute, nn.Linear(1, 1), threads=1)
    assert torch.are_deterministic_algorithms_enabled() and not torch.utils.deterministic.fill_uninitialized_memory
