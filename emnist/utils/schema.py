"""Schemas of what people write, such as params.yaml, and checks against them."""

import types
from pathlib import Path
from typing import Annotated, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emnist.utils.errors import UserError
from emnist.utils.names import nearest, shorten
from emnist.utils.yaml import load_yaml

MAX_ERRORS = 10  # in one message

Count = Annotated[int, Field(ge=1, le=10**9)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
UnitInterval = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Angle = Annotated[float, Field(ge=0, lt=90, allow_inf_nan=False)]


class Section(BaseModel):
    """Base class of the mappings in params.yaml; ``section[name]`` is ``section.name``."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def __getitem__(self, name):
        return getattr(self, name)


def _check_distinct(values):
    if len(set(values)) < len(values):
        raise ValueError("should name nothing twice")
    return values


# A value of this type is one string or a list of distinct ones, and becomes a list.
Item = TypeVar("Item")
_as_list = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
Strings = Annotated[list[Item], Field(min_length=1), _as_list, AfterValidator(_check_distinct)]


def load_mapping(path="params.yaml"):
    """Load a mapping (dict) from YAML, whatever it holds; `UserError` if the file is missing or holds none."""
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


def check(schema, values, path):
    """Make an instance of a schema, a subclass of `Section`, from values (dict) that were loaded from the file `path`.

    `UserError` says which of them are missing, unknown or invalid.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        errors = _one_error_per_parameter(error.errors())
        messages = [_error_message(path, schema, details) for details in errors[:MAX_ERRORS]]
        if len(errors) > MAX_ERRORS:
            messages.append(f"{path}: {len(errors) - MAX_ERRORS} more parameters are wrong")
        raise UserError("; ".join(messages)) from None


def _one_error_per_parameter(errors):
    """List only the first error of each parameter, since a union reports one for each of its members."""
    first = {}
    for details in errors:
        place = tuple(part for part in details["loc"] if not str(part).startswith(("literal[", "constrained-", "int")))
        first.setdefault(place, details | {"loc": place})
    return list(first.values())


def _error_message(path, schema, details):
    name = ".".join(str(part)[:60] for part in details["loc"])
    found = shorten(details["input"])
    if details["type"] == "missing":
        return f"{path}: {name} is missing: add it"
    if details["type"] == "extra_forbidden":
        near = nearest(details["loc"][-1], _siblings(schema, details["loc"]))
        return f"{path}: {name} is not a parameter{near}: remove it"
    if details["type"] == "literal_error":
        choices = details["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        near = nearest(details["input"], choices.split(", "))
        return f"{path}: {name} should be one of {choices}, but is {found}{near}"
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not name:
        return f"{path}: {message}"
    return f"{path}: {name} {message}, but is {found}"


def _siblings(section, location):
    for part in location[:-1]:
        field = getattr(section, "model_fields", {}).get(part)
        section = field.annotation if field else get_args(section)[-1] if get_args(section) else None
        if isinstance(section, types.UnionType):  # it is of a section and None
            section = get_args(section)[0]
    return list(getattr(section, "model_fields", {}))
