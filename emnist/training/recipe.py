"""How a network is trained: one object for each training, made from the parameters here and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field, create_model

from emnist.training.optimizers import OPTIMIZERS, SGD
from emnist.utils.schema import Positive, Section, check

BatchSize = Annotated[int, Field(ge=2, le=65536)]


HYPERPARAMETERS = {"learning_rate": Positive, "batch_size": BatchSize} | {
    name: field.rebuild_annotation()
    for optimizer in OPTIMIZERS.values()
    for name, field in optimizer.model_fields.items()
}
# Values from which the search draws; a hyperparameter that the optimizer lacks, or that has none, is left out.
SearchSpace = create_model(
    "SearchSpace",
    __base__=Section,
    **{name: (Annotated[list[kind], Field(min_length=1)] | None, None) for name, kind in HYPERPARAMETERS.items()},
)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    optimizer : callable
        An instance of a class in `emnist.training.optimizers.OPTIMIZERS`.
    learning_rate : float
        The largest; the schedule lowers it.
    epochs : int
        At most so many.
    batch_size : int
    schedule : str
        A key of `emnist.training.schedule.SCHEDULES`.
    augmentations : tuple of callable
        As described at `emnist.training.augmentation.AUGMENTATIONS`.
    without_augmentation : float
        Fraction of the epochs, 0 to 1, the last ones, that train on the images as they are [1]_.
    loss : callable
        As described at `emnist.training.losses.LOSSES`. The validation loss is always cross-entropy.
    clip_norm : float or None
        Gradients with a larger norm are scaled down to it.
    dropout : float or None
        Rate of all dropout layers; None leaves each layer's own.
    patience : int or None
        Number of epochs without a lower validation loss after which the training stops; None: it does not stop early.

    References
    ----------
    .. [1] He et al., 2019, "Data augmentation revisited: rethinking the distribution gap between clean and augmented
       data", arXiv:1909.09148.
    """

    optimizer: Callable
    learning_rate: float
    epochs: int
    batch_size: int
    schedule: str = "constant"
    augmentations: tuple = ()
    without_augmentation: float = 0.0
    loss: Callable = F.cross_entropy
    clip_norm: float | None = None
    dropout: float | None = None
    patience: int | None = None

    def is_augmented(self, epoch):
        """Tell whether the images of an epoch (int, from 1) are augmented."""
        return epoch <= self.epochs - round(self.without_augmentation * self.epochs)


def search_space(params):
    """Return the search space of the recipe, the architecture and the optimizer in use.

    It is a dict of each hyperparameter to its distinct values, in ascending order.
    """
    space = {}
    for each in (params.recipes[params.recipe].space, params.architectures[params.model].space.get(params.recipe)):
        space |= each.model_dump(exclude_none=True) if each else {}
    optimizer = params.optimizers[params.optimizer.pretrain]
    names = {"learning_rate", "batch_size", *type(optimizer).model_fields}
    return {name: sorted(set(values)) for name, values in space.items() if name in names}


def augmentations(params):
    """List the augmentations of the recipe in use, as described at `emnist.training.augmentation.AUGMENTATIONS`."""
    return tuple(augment for _, augment in params.recipes[params.recipe].augmentation if augment)


def trial_recipe(params, config):
    """Make the recipe of one trial of the search, which trains as `pretrain_recipe` does, for fewer epochs.

    `config` holds a value of each hyperparameter in `search_space`.
    """
    return _recipe(params, "pretrain", "trial", **config)


def pretrain_recipe(params, config):
    """Make the recipe of pre-training, with the hyperparameters that the search found; parameters as `trial_recipe`."""
    patience = params.recipes[params.recipe].pretrain.patience
    return _recipe(params, "pretrain", "pretrain", **config, patience=patience)


def finetune_recipe(params):
    """Make the recipe of fine-tuning from the parameters (`emnist.params.Params`)."""
    finetune = params.recipes[params.recipe].finetune
    return _recipe(params, "finetune", "finetune", finetune.learning_rate, finetune.batch_size)


def transfer_recipe(params):
    """Make the recipe by which the transfer trains a new head, from the parameters (`emnist.params.Params`)."""
    transfer = params.transfer
    return Recipe(
        SGD(momentum=0.0, weight_decay=0.0),
        transfer.learning_rate,
        transfer.epochs,
        transfer.batch_size,
        clip_norm=transfer.clip_norm,
    )


def _recipe(params, phase, epochs, learning_rate, batch_size, patience=None, **hyperparameters):
    recipe, architecture = params.recipes[params.recipe], params.architectures[params.model]
    optimizer = params.optimizers[params.optimizer[phase]]
    return Recipe(
        check(type(optimizer), dict(optimizer) | hyperparameters, "data/search/best.json"),
        learning_rate,
        max(1, round(architecture.epoch_factor * params.sizes[params.size][f"{epochs}_epochs"])),
        batch_size,
        recipe[phase].schedule,
        augmentations(params),
        recipe[phase].without_augmentation,
        params.losses[params.loss],
        recipe.clip_norm,
        architecture.dropout.get(params.recipe),
        patience,
    )
