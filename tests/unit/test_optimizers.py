"""Every optimizer lowers a loss, with the hyperparameters that it is given."""

import pytest
import torch
import yaml
from pipeline_helpers import REPOSITORY

from emnist.training.optimizers import OPTIMIZERS, build_optimizer, searched_hyperparameters
from emnist.utils.errors import UserError

OPTIONS = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["optimizers"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_options_in_params_yaml_and_lowers_a_loss(name):
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = build_optimizer(name, OPTIONS[name], [weight], {"learning_rate": 0.1})
    losses = []
    for _ in range(50):
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_the_search_sets_what_an_optimizer_has():
    assert searched_hyperparameters("sgd") == ["learning_rate", "batch_size", "momentum", "weight_decay"]
    assert searched_hyperparameters("adam") == ["learning_rate", "batch_size", "weight_decay"]


def test_a_configuration_takes_the_place_of_options_and_its_batch_size_is_passed_over():
    weight = torch.nn.Parameter(torch.zeros(1))
    config = {"learning_rate": 0.3, "momentum": 0.5, "batch_size": 64}
    group = build_optimizer("sgd", {"momentum": 0.9, "weight_decay": 0.01}, [weight], config).param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.3, 0.5, 0.01)


def test_an_unknown_option_is_refused():
    with pytest.raises(UserError, match="optimizers.adam.momentum is not a parameter"):
        build_optimizer("adam", {"weight_decay": 0.0, "momentum": 0.9}, [], {"learning_rate": 0.1})
