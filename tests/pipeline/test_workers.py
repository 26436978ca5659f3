"""Work that several processes share gives what one process gives. Here because processes start slowly."""

import numpy as np
import yaml
from pipeline_helpers import REPOSITORY

from emnist.params import Params
from emnist.search import random_search
from emnist.sources import sample


def test_the_number_of_workers_does_not_change_the_search():
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    search = values["search"] | {"small": {"trials": 4, "epochs": 1}}
    params = Params.model_validate(values | {"model": "lenet", "recipe": "baseline", "search": search})
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 62, 300).astype(np.uint8)
    split = images, labels, {"mean": 0.5, "std": 0.3}, np.arange(200), np.arange(200, 300)
    assert random_search(params, split, workers=1) == random_search(params, split, workers=2)


def test_the_number_of_processes_does_not_change_the_sample():
    alone, shared = (sample.render(train=600, test=120, seed=3, workers=workers) for workers in (1, 2))
    for array, again in zip(alone, shared):
        np.testing.assert_array_equal(array, again)
