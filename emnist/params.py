"""The schema of params.yaml, and checks against it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emnist.utils.errors import UserError
from emnist.utils.names import nearest, shorten
from emnist.utils.yaml import load_yaml

SIZES = ("small", "original", "full")
RECIPES = ("annealed", "baseline")
MAX_ERRORS = 10  # that one message lists

Count = Annotated[int, Field(ge=1, le=10**9)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Angle = Annotated[float, Field(ge=0, lt=90, allow_inf_nan=False)]
Auto = Literal["auto"]


def _check_one_or_several(value):
    if isinstance(value, str):
        return value
    if not (isinstance(value, list) and value and all(isinstance(each, str) for each in value)):
        raise ValueError("should be a string or a list of strings")
    if len(set(value)) < len(value):
        raise ValueError("should name nothing twice")
    return value


OneOrSeveral = Annotated[str | list[str], BeforeValidator(_check_one_or_several)]
Options = dict[str, Any]  # of a component that is looked up by name; emnist.check checks them


class Section(BaseModel):
    """Base class of the mappings in params.yaml; ``section[name]`` is ``section.name``."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def __getitem__(self, name):
        return getattr(self, name)


class Compute(Section):
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "float32", "bfloat16"]
    threads: Auto | Count


class SplitSize(Section):
    train: Annotated[int, Field(ge=100, le=10**9)] | None  # with fewer, the search would have less than one batch
    test: Count | None


class Split(Section):
    small: SplitSize
    original: SplitSize
    full: SplitSize


class Space(Section):
    learning_rate: list[Positive] = Field(min_length=1)
    batch_size: list[Annotated[int, Field(ge=2, le=65536)]] = Field(min_length=1)
    momentum: list[Fraction] = Field(min_length=1)
    weight_decay: list[Fraction] = Field(min_length=1)


class SearchSize(Section):
    trials: Count
    epochs: Count


class Spaces(Section):
    space: Space
    resnet_space: Space | None


class Search(Section):
    small: SearchSize
    original: SearchSize
    full: SearchSize
    annealed: Spaces
    baseline: Spaces
    workers: Auto | Count


class PretrainSize(Section):
    epochs: Count
    patience: Count


class PretrainRecipe(Section):
    schedule: str
    unaugmented: Share
    early_stopping: bool


class Pretrain(Section):
    small: PretrainSize
    original: PretrainSize
    full: PretrainSize
    annealed: PretrainRecipe
    baseline: PretrainRecipe
    optimizer: str
    clip_norm: Positive


class FinetuneSize(Section):
    epochs: Count


class FinetuneRecipe(Section):
    schedule: str
    unaugmented: Share


class Finetune(Section):
    small: FinetuneSize
    original: FinetuneSize
    full: FinetuneSize
    annealed: FinetuneRecipe
    baseline: FinetuneRecipe
    optimizer: str
    learning_rate: Positive
    batch_size: Annotated[int, Field(ge=2, le=65536)]
    clip_norm: Positive


class Dropout(Section):
    annealed: dict[str, Fraction]
    baseline: dict[str, Fraction]


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
    checked by `emnist.check`, so that a new component needs no change here.
    """

    model: str
    source: OneOrSeveral
    size: Literal[SIZES]
    recipe: Literal[RECIPES]
    pretrained: str | None
    seed: Seed
    compute: Compute
    download: dict[str, Options]
    split: Split
    augmentation: dict[str, Options | None]
    dropout: Dropout
    loss: str
    losses: dict[str, Options]
    optimizers: dict[str, Options]
    search: Search
    pretrain: Pretrain
    finetune: Finetune
    evaluate: Evaluate
    transfer: Transfer


def load_params(path="params.yaml"):
    """Read and check the parameters.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Params

    Raises
    ------
    UserError
        If the file is missing or is not YAML, or if a parameter is missing, unknown or invalid.
    """
    return check_params(read_params(path), path)


def as_list(value):
    """List the strings of a parameter that is one string or a list of them."""
    return [value] if isinstance(value, str) else list(value)


def read_params(path="params.yaml"):
    """Read the parameters from YAML without checking them.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict

    Raises
    ------
    UserError
        If the file is missing or is not a mapping in YAML.
    """
    try:
        values = load_yaml(Path(path).read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run this from the project's folder") from None
    except ValueError as error:
        raise UserError(f"{path} should be YAML, but {error}: fix it") from None
    if not isinstance(values, dict):
        raise UserError(
            f"{path} should be a mapping of sections, but holds {shorten(values)}: restore it with `git checkout {path}`"
        )
    return values


def check_params(values, path="params.yaml"):
    """Check parameters that were read from YAML.

    Parameters
    ----------
    values : dict
    path : path-like
        The file that errors name.

    Returns
    -------
    Params

    Raises
    ------
    UserError
        If a parameter is missing, unknown or invalid.
    """
    return _validate(Params, values, path, ())


def check_options(schema, options, place, path="params.yaml"):
    """Check the options of a component that is looked up by name.

    Parameters
    ----------
    schema : subclass of Section
    options : dict
    place : str
        Dotted name of the parameter that holds them.
    path : path-like
        The file that errors name.

    Returns
    -------
    instance of `schema`

    Raises
    ------
    UserError
        If an option is missing, unknown or invalid.
    """
    return _validate(schema, options, path, tuple(place.split(".")))


def _validate(schema, values, path, place):
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        errors = [
            details | {"siblings": _siblings(schema, details["loc"]), "loc": (*place, *details["loc"])}
            for details in _one_error_per_parameter(error.errors())
        ]
        messages = [_error_message(path, details) for details in errors[:MAX_ERRORS]]
        if len(errors) > MAX_ERRORS:
            messages.append(f"{path}: {len(errors) - MAX_ERRORS} more parameters are wrong")
        raise UserError("; ".join(messages)) from None


def _one_error_per_parameter(errors):
    """Yield only the first error of each parameter, since a union reports one for each of its members."""
    seen = set()
    for details in errors:
        place = tuple(part for part in details["loc"] if not str(part).startswith(("literal[", "constrained-", "int")))
        if place not in seen:
            seen.add(place)
            yield {**details, "loc": place}


def _error_message(path, details):
    name = ".".join(str(part)[:60] for part in details["loc"])
    found = shorten(details["input"])
    if details["type"] == "missing":
        return f"{path}: {name} is missing: add it"
    if details["type"] == "extra_forbidden":
        return f"{path}: {name} is not a parameter{nearest(str(details['loc'][-1]), details['siblings'])}: remove it"
    if details["type"] == "literal_error":
        choices = details["ctx"]["expected"].replace("'", "")
        near = nearest(str(details["input"]), choices.replace(" or ", ", ").split(", "))
        return f"{path}: {name} should be {choices}, but is {found}{near}"
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not name:
        return f"{path}: {message}"
    return f"{path}: {name} {message}, but is {found}{_number_hint(details['input'])}"


def _number_hint(value):
    """Return how to write a number that YAML reads as text, such as 1e-3."""
    try:
        if isinstance(value, str) and "e" in value.lower():
            return f" (YAML reads it as text: write {float(value)!r})"
    except ValueError:
        pass
    return ""


def _siblings(section, location):
    for part in location[:-1]:
        field = getattr(section, "model_fields", {}).get(part)
        section = field.annotation if field else None
    return list(getattr(section, "model_fields", {}))
