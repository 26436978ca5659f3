"""Every optimizer lowers a loss, with the hyperparameters that it is given."""

import pytest
import torch
from pipeline_helpers import own_params

from emnist.training.optimizers import OPTIMIZERS

OPTIONS = own_params()["optimizers"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_options_in_params_yaml_and_lowers_a_loss(name):
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = OPTIMIZERS[name](**OPTIONS[name])([weight], 0.1)
    losses = []
    for _ in range(50):
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_an_optimizer_takes_its_learning_rate_and_its_options():
    optimizer = OPTIMIZERS["sgd"](momentum=0.5, weight_decay=0.01)([torch.nn.Parameter(torch.zeros(1))], 0.3)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.3, 0.5, 0.01)
