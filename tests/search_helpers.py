"""A search so small that several can run in a test."""

import numpy as np
from pipeline_helpers import own_params

from emnist.params import check_params


def small_search(trials, images=300, model="lenet", **space):
    """Make the parameters of a search, and random images of which 300, at random places, are its mini set.

    Returns
    -------
    params : emnist.params.Params
    split : tuple
        As `emnist.search.random_search` takes it: 200 images to train on, 100 to validate.
    """
    values = own_params()
    values["sizes"]["small"] |= {"trials": trials, "trial_epochs": 1}
    values["recipes"]["baseline"]["space"] |= space
    params = check_params(values | {"model": model, "recipe": "baseline"})
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (images, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 62, images).astype(np.uint8)
    order = rng.permutation(images)
    return params, (pictures, labels, {"mean": 0.5, "std": 0.3}, order[:200], order[200:300])
