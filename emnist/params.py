"""The parameters of params.yaml."""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model, model_validator

from emnist.data.classes import check_dataset
from emnist.models import ARCHITECTURES, PRETRAINED
from emnist.models.pretrained import load_card
from emnist.sources import SOURCES, load_source
from emnist.training.augmentation import AUGMENTATIONS
from emnist.training.losses import LOSSES
from emnist.training.optimizers import OPTIMIZERS
from emnist.training.recipe import BatchSize, SearchSpace, search_space
from emnist.training.schedule import SCHEDULES
from emnist.utils.names import nearest
from emnist.utils.schema import Count, Fraction, Positive, Section, Seed, Strings, UnitInterval, check, load_mapping

Auto = Literal["auto"]
MOVED = {  # sections of earlier versions: what takes their place
    "split": "sizes",
    "augmentation": "recipes.NAME.augmentation",
    "dropout": "architectures.NAME.dropout",
    "search": "sizes (trials, trial_epochs), recipes.NAME.space and compute.workers",
    "pretrain": "sizes (pretrain_epochs), recipes.NAME.pretrain and optimizer.pretrain",
    "finetune": "sizes (finetune_epochs), recipes.NAME.finetune and optimizer.finetune",
}


def _options(name, schemas, optional=False):
    """Build the schema of a section that holds the options of each component, or of some of them, by its name."""
    fields = {key: (schema | None, None) if optional else (schema, ...) for key, schema in schemas.items()}
    return create_model(name, __base__=Section, **fields)


class Compute(Section):
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "float32", "bfloat16"]
    threads: Auto | Count
    workers: Auto | Count


class Size(Section):
    train: Annotated[int, Field(ge=100, le=10**9)] | None  # with fewer, the search would have less than one batch
    test: Count | None
    trials: Annotated[int, Field(ge=1, le=1000)]
    trial_epochs: Count
    pretrain_epochs: Count
    finetune_epochs: Count


class Architecture(Section):
    epoch_factor: Positive = 1.0
    dropout: dict[str, Fraction] = {}
    space: dict[str, SearchSpace] = {}
    compare_size: dict[str, str] = {}


class Phase(Section):
    schedule: Literal[tuple(SCHEDULES)]
    without_augmentation: UnitInterval


class Pretrain(Phase):
    patience: Count | None


class Finetune(Phase):
    learning_rate: Positive
    batch_size: BatchSize


class RecipeOptions(Section):
    augmentation: _options("Augmentations", AUGMENTATIONS, optional=True)
    clip_norm: Positive
    space: SearchSpace
    pretrain: Pretrain
    finetune: Finetune


class PhaseOptimizers(Section):
    pretrain: Literal[tuple(OPTIMIZERS)]
    finetune: Literal[tuple(OPTIMIZERS)]


class Evaluate(Section):
    tta: Annotated[int, Field(ge=0, le=4)]


class Transfer(Section):
    weights: Literal["finetune", "initial"]
    epochs: Count
    learning_rate: Positive
    batch_size: Count
    clip_norm: Positive


class Params(Section):
    """All parameters; comments in params.yaml describe them.

    Names of components (architectures, sources, augmentations, losses, optimizers, schedules) and their options are
    those that exist, so that a new component needs no change here.
    """

    model: Literal[ARCHITECTURES]
    dataset: Annotated[Any, AfterValidator(check_dataset)]
    source: Strings[Literal[SOURCES]]
    size: str
    recipe: str
    pretrained: Literal[PRETRAINED] | None
    seed: Seed
    compute: Compute
    download: _options("Download", {name: load_source(name).Options for name in SOURCES})
    sizes: dict[str, Size]
    recipes: dict[str, RecipeOptions]
    architectures: dict[Literal[ARCHITECTURES], Architecture]
    loss: Literal[tuple(LOSSES)]
    losses: _options("Losses", LOSSES)
    optimizer: PhaseOptimizers
    optimizers: _options("Optimizers", OPTIMIZERS)
    evaluate: Evaluate
    transfer: Transfer

    @model_validator(mode="before")
    @classmethod
    def is_of_this_version(cls, values):
        """Check that no section has its name of an earlier version, and say what each is called now."""
        if old := [f"{name} is now {MOVED[name]}" for name in MOVED if name in values]:
            raise ValueError(
                f"should be of this version, but has sections of an earlier one: {'; '.join(old)}. Take the file of this "
                "version (`git checkout params.yaml`), and make your changes there"
            )
        return values

    @model_validator(mode="after")
    def rows_exist(self):
        """Check that each name is a row of the table that it chooses from."""
        for name, table in [("model", "architectures"), ("size", "sizes"), ("recipe", "recipes")]:
            _check_row(self[name], self[table], name, table)
        for name, architecture in self.architectures.items():
            for recipe in (*architecture.dropout, *architecture.space):
                _check_row(recipe, self.recipes, f"architectures.{name}", "recipes")
            for size in (*architecture.compare_size, *architecture.compare_size.values()):
                _check_row(size, self.sizes, f"architectures.{name}.compare_size", "sizes")
        return self

    @model_validator(mode="after")
    def trials_are_distinct(self):
        """Check that the space of the search has as many combinations as the search draws."""
        space = search_space(self)
        if missing := {"learning_rate", "batch_size"} - space.keys():
            raise ValueError(f"recipes.{self.recipe}.space should have {' and '.join(sorted(missing))}, but has none")
        trials, combinations = self.sizes[self.size].trials, math.prod(map(len, space.values()))
        if trials > combinations:
            raise ValueError(
                f"sizes.{self.size}.trials should be at most {combinations}, the combinations in the space of the recipe "
                f"{self.recipe} for {self.model}, but is {trials}"
            )
        return self

    @model_validator(mode="after")
    def pretrained_fits(self):
        """Check that the pretrained network has the architecture of the model."""
        if self.pretrained is None:
            if self.transfer.weights == "initial":
                raise ValueError(
                    "transfer.weights is initial, but pretrained is null: name a pretrained network, or set "
                    "transfer.weights to finetune"
                )
        elif (architecture := load_card(self.pretrained)[1]["architecture"]) != self.model:
            raise ValueError(
                f"pretrained is {self.pretrained}, which is a {architecture}, but model is {self.model}: "
                f"set model to {architecture}"
            )
        return self


def _check_row(name, table, place, section):
    if name not in table:
        raise ValueError(
            f"{place} should be one of {', '.join(table)}, the entries of {section}, but is {name}{nearest(name, table)}"
        )


def load_params(path="params.yaml"):
    """Load and check the parameters (`Params`).

    `UserError` if the file is missing or is not YAML, or if a parameter is missing, unknown or invalid.
    """
    return check_params(load_mapping(path), path)


def check_params(values, path="params.yaml"):
    """Check parameters (dict) that were loaded from `path`; return `Params`, or raise `UserError` as `load_params`."""
    return check(Params, values, path)
