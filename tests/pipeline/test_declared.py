"""dvc.yaml declares the parameters that each stage reads, so that DVC runs it again when one of them changes."""

import importlib

import pytest
import yaml

from emnist.params import Params, Section
from emnist.utils.checkpoint import read_stage


@pytest.fixture
def parameters_read(monkeypatch):
    """Note the dotted name of each parameter that is read."""
    found, places = set(), {}

    def read(section, name):
        value = object.__getattribute__(section, name)
        _, place = places.get(id(section), (section, "" if isinstance(section, Params) else None))
        if name in type(section).model_fields and place is not None:
            if isinstance(value, Section):
                places[id(value)] = (value, f"{place}{name}.")  # with the section, so that no other gets its id
            else:
                found.add(f"{place}{name}")
        return value

    monkeypatch.setattr(Section, "__getattribute__", read)
    return found


def test_each_stage_declares_the_parameters_that_it_reads(pipeline, parameters_read, monkeypatch):
    monkeypatch.chdir(pipeline)
    values = yaml.safe_load((pipeline / "params.yaml").read_text())
    for stage in yaml.safe_load((pipeline / "dvc.yaml").read_text())["stages"]:
        parameters_read.clear()
        importlib.import_module(f"stages.{stage}").main()
        found, declared = read_stage(stage, values), ["size.", "recipe."]  # which are in the names of what is declared
        if "params.yaml" not in found["deps"]:
            # Any number of workers gives the same result.
            declared += [f"{name}." for name in [*found.get("params", []), "search.workers"]]
            assert [
                name
                for name in parameters_read
                if not any(f"{name}.".startswith(other) or other.startswith(f"{name}.") for other in declared)
            ] == [], stage
