"""The schema of params.yaml."""

import difflib
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emnist.models import ARCHITECTURES
from emnist.utils.errors import UserError

SIZES = ("small", "original", "full")
RECIPES = ("annealed", "baseline")

Count = Annotated[int, Field(ge=1, le=10**9)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Angle = Annotated[float, Field(ge=0, lt=90, allow_inf_nan=False)]
Auto = Literal["auto"]
Schedule = Literal["constant", "one_cycle", "cosine"]


class Section(BaseModel):
    """A mapping in params.yaml; ``section[name]`` is ``section.name``."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def __getitem__(self, name):
        return getattr(self, name)


class Compute(Section):
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "float32", "bfloat16"]
    threads: Auto | Count


class Sample(Section):
    train: Count
    test: Count
    seed: Seed


class Mirror(Section):
    url: str
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def has_a_checksum(self):
        if not (self.md5 or self.sha256):
            raise ValueError("should have the md5 or the sha256 published for it")
        return self


class Archive(Section):
    mirrors: list[Mirror] = Field(min_length=1)
    mnist_mirrors: list[str] = Field(min_length=1)


class Folder(Section):
    emnist: str | None
    mnist: str | None


class Download(Section):
    sample: Sample
    emnist: Archive
    folder: Folder


class SplitSize(Section):
    train: Annotated[int, Field(ge=100, le=10**9)] | None  # fewer leave the search less than a batch
    test: Count | None


class Split(Section):
    small: SplitSize
    original: SplitSize
    full: SplitSize


class Augmentation(Section):
    degrees: Angle
    translate: Fraction
    scale: tuple[Positive, Positive] = Field(strict=False)
    shear: Angle

    @model_validator(mode="after")
    def scale_is_a_range(self):
        if self.scale[0] > self.scale[1]:
            raise ValueError("scale should be a range, the smaller number first")
        return self


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
    schedule: Schedule
    early_stopping: bool


class Pretrain(Section):
    small: PretrainSize
    original: PretrainSize
    full: PretrainSize
    annealed: PretrainRecipe
    baseline: PretrainRecipe
    clip_norm: Positive


class FinetuneSize(Section):
    epochs: Count


class FinetuneRecipe(Section):
    schedule: Schedule


class Finetune(Section):
    small: FinetuneSize
    original: FinetuneSize
    full: FinetuneSize
    annealed: FinetuneRecipe
    baseline: FinetuneRecipe
    learning_rate: Positive
    batch_size: Annotated[int, Field(ge=2, le=65536)]
    clip_norm: Positive


class Evaluate(Section):
    shifts: Annotated[int, Field(ge=0, le=4)]


class Transfer(Section):
    epochs: Count
    learning_rate: Positive
    batch_size: Count
    clip_norm: Positive


class Params(Section):
    """The whole of `params.yaml`; the file itself says what each key means."""

    model: Literal[tuple(ARCHITECTURES)]
    source: Literal["sample", "emnist", "folder"]
    size: Literal[SIZES]
    recipe: Literal[RECIPES]
    seed: Seed
    compute: Compute
    download: Download
    split: Split
    augmentation: Augmentation
    search: Search
    pretrain: Pretrain
    finetune: Finetune
    evaluate: Evaluate
    transfer: Transfer


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key that is given twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key '{key}' is given twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


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
        If the file is missing, is not YAML, or holds anything but what is expected.
    """
    return check_params(read_params(path), path)


def read_params(path="params.yaml"):
    """Read the parameters as YAML gives them, without checking any.

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
        values = yaml.load(Path(path).read_bytes(), Loader=_Loader)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run this from the project's folder") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split()) or "it is nested too deeply"
        raise UserError(f"{path} should be YAML, but {problem}{place}: mend it") from None
    if not isinstance(values, dict):
        raise UserError(
            f"{path} should be a mapping of sections, but holds {values!r:.60}: restore it with `git checkout {path}`"
        )
    return values


def check_params(values, path="params.yaml"):
    """Check parameters as YAML gives them.

    Parameters
    ----------
    values : dict
    path : path-like
        What to name in errors.

    Returns
    -------
    Params

    Raises
    ------
    UserError
        If they are anything but what is expected.
    """
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise UserError("; ".join(_sentence(path, fault) for fault in _without_union_noise(error.errors()))) from None


def _without_union_noise(faults):
    """Keep one fault a place: a union reports each of its members."""
    seen = set()
    for fault in faults:
        place = tuple(part for part in fault["loc"] if not str(part).startswith(("literal[", "constrained-", "int")))
        if place not in seen:
            seen.add(place)
            yield {**fault, "loc": place}


def _sentence(path, fault):
    name = ".".join(map(str, fault["loc"]))
    found = repr(fault["input"])[:60]
    if fault["type"] == "missing":
        return f"{path}: {name} is missing: add it"
    if fault["type"] == "extra_forbidden":
        return f"{path}: {name} is not a parameter{_nearest(str(fault['loc'][-1]), _siblings(fault['loc']))}: remove it"
    if fault["type"] == "literal_error":
        choices = fault["ctx"]["expected"].replace("'", "")
        near = _nearest(str(fault["input"]), choices.replace(" or ", ", ").split(", "))
        return f"{path}: {name} should be {choices}, but is {found}{near}"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not name:
        return f"{path}: {message}"
    return f"{path}: {name} {message}, but is {found}{_as_yaml_writes_it(fault['input'])}"


def _as_yaml_writes_it(value):
    """Say how to write a number that YAML takes for text, as 1e-3."""
    try:
        return f" (to YAML a text: write {float(value)!r})" if isinstance(value, str) and "e" in value.lower() else ""
    except ValueError:
        return ""


def _nearest(word, choices):
    near = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _siblings(location):
    section = Params
    for part in location[:-1]:
        field = getattr(section, "model_fields", {}).get(part)
        section = field.annotation if field else None
    return list(getattr(section, "model_fields", {}))
