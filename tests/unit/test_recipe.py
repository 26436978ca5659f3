"""A recipe says what params.yaml says, for the recipe, the architecture and the size in use."""

import copy
from dataclasses import replace

import pytest
from pipeline_helpers import own_params

from emnist.models import ARCHITECTURES
from emnist.params import check_params
from emnist.training.optimizers import SGD, Adam, AdamW
from emnist.training.recipe import finetune_recipe, pretrain_recipe, search_space, transfer_recipe, trial_recipe
from emnist.utils.errors import UserError

VALUES = own_params()
CONFIG = {"learning_rate": 0.3, "batch_size": 64, "momentum": 0.5, "weight_decay": 0.01}


def params(**changes):
    return check_params(copy.deepcopy(VALUES) | changes)


def test_a_searched_value_takes_the_place_of_the_optimizers_option():
    recipe = pretrain_recipe(params(), CONFIG)
    assert recipe.optimizer == SGD(momentum=0.5, weight_decay=0.01)
    assert (recipe.learning_rate, recipe.batch_size) == (0.3, 64)


def test_a_trial_trains_as_the_run_will_but_for_its_epochs_and_patience():
    for name in VALUES["recipes"]:
        chosen = params(recipe=name)
        pretrain = pretrain_recipe(chosen, CONFIG)
        trial = trial_recipe(chosen, CONFIG)
        assert trial == replace(pretrain, epochs=trial.epochs, patience=None) and trial.epochs < pretrain.epochs


def test_the_search_draws_what_the_optimizer_has():
    assert search_space(params()).keys() == {"learning_rate", "batch_size", "momentum", "weight_decay"}
    adam = params(optimizer={"pretrain": "adam", "finetune": "adamw"})
    assert search_space(adam).keys() == {"learning_rate", "batch_size", "weight_decay"}
    config = {"learning_rate": 0.1, "batch_size": 8, "weight_decay": 0.5}
    assert pretrain_recipe(adam, config).optimizer == Adam(weight_decay=0.5)
    assert finetune_recipe(adam).optimizer == AdamW(weight_decay=0.01)


def test_a_value_of_the_search_that_is_out_of_range_is_refused():
    with pytest.raises(UserError, match="data/search/best.json: momentum should be less than 1, but is 2"):
        pretrain_recipe(params(), CONFIG | {"momentum": 2})


@pytest.mark.parametrize("model", ARCHITECTURES)
@pytest.mark.parametrize("name", VALUES["recipes"])
def test_what_an_architecture_needs_takes_the_place_of_the_recipes_values(model, name):
    chosen, own = params(model=model, recipe=name), VALUES["architectures"][model]
    space = VALUES["recipes"][name]["space"] | own.get("space", {}).get(name, {})
    assert search_space(chosen) == {key: sorted(values) for key, values in space.items()}
    for recipe, epochs in [(pretrain_recipe(chosen, CONFIG), "pretrain"), (finetune_recipe(chosen), "finetune")]:
        assert recipe.dropout == own.get("dropout", {}).get(name)
        assert recipe.epochs == round(own.get("epoch_factor", 1) * VALUES["sizes"]["small"][f"{epochs}_epochs"])


def test_baseline_is_the_originals_way():
    chosen = params(recipe="baseline", model="vggnet")
    pretrain, finetune = pretrain_recipe(chosen, CONFIG), finetune_recipe(chosen)
    (affine,) = pretrain.augmentations
    assert dict(affine) == {"degrees": 15, "translate": 0.1, "scale": (0.9, 1.1), "shear": 3}
    assert pretrain.schedule == finetune.schedule == "constant" and pretrain.dropout is None
    assert pretrain.is_augmented(pretrain.epochs) and finetune.is_augmented(finetune.epochs)
    assert (pretrain.patience, pretrain.clip_norm, finetune.learning_rate) == (10, 1.0, 0.001)


def test_the_transfer_is_plain_sgd():
    recipe = transfer_recipe(params())
    assert recipe.optimizer == SGD(momentum=0.0, weight_decay=0.0) and recipe.augmentations == ()
