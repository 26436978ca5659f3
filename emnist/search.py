"""Random search over the hyperparameters of pre-training."""

import json

from emnist.data.classes import classes_of
from emnist.models import build_model
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.loop import Diverged, fit, seed_torch
from emnist.training.recipe import search_space, trial_recipe
from emnist.utils.errors import UserError
from emnist.utils.progress import log, progress
from emnist.utils.workers import run_in_workers

MAX_POINTS = 2**14  # of the sequence, which then is in each of 1,000 combinations


def sample_configs(space, trials, seed):
    """Draw distinct configurations, in which each value of a hyperparameter is about equally frequent.

    Parameters
    ----------
    space : dict of str to list
        As returned by `emnist.training.recipe.search_space`.
    trials : int
        Number of configurations, at most the number of combinations, and at most 1,000.
    seed : int

    Returns
    -------
    list of dict of str to number

    References
    ----------
    Bergstra and Bengio, 2012, "Random search for hyper-parameter optimization", JMLR 13: of the sequences that
    they compare, a scrambled Sobol sequence needs the fewest trials.
    """
    from scipy.stats.qmc import Sobol  # imported here, since the worker processes do not need it

    names = sorted(space)
    points = Sobol(len(names), rng=seed).random(MAX_POINTS)
    drawn = (tuple(space[name][int(x * len(space[name]))] for name, x in zip(names, point)) for point in points)
    distinct = list(dict.fromkeys(drawn))[:trials]
    if len(distinct) < trials:
        raise MemoryError("SciPy's points are all alike, as where it ignores that memory is short")
    return [dict(zip(names, config)) for config in distinct]


def run_trial(config, params, images, labels, pixel_stats, train_indices, validation_indices):
    """Train one configuration from new random weights on what `emnist.data.datasets.load_split` returns.

    Returned is the validation loss after the last epoch (float, in nats), None if the training diverged.
    """
    # A trial has one thread, since two would round differently: its loss is the same beside any number of others.
    seed_torch(params.seed, "search")
    model = build_model(params.model, len(classes_of(params.dataset)))
    hardware = setup_hardware(params.compute, model, threads=1)
    recipe = trial_recipe(params, config)
    train = ImageBatches(images, labels, hardware, pixel_stats, train_indices, recipe.augmentations)
    validation = ImageBatches(images, labels, hardware, pixel_stats, validation_indices)
    try:
        history = fit(
            "search", hardware.to_device(model), recipe, train, seed=params.seed, validation=validation, quiet=True
        )
    except Diverged:
        return None
    return history[-1]["validation_loss"]


def random_search(params, split, workers, checkpoint=None):
    """Train and score random configurations in parallel.

    Parameters
    ----------
    params : emnist.params.Params
    split : tuple
        As returned by ``emnist.data.datasets.load_split("mini-train", "mini-validation")``.
    workers : int
        Number of worker processes; the result does not depend on it.
    checkpoint : emnist.utils.checkpoint.Checkpoint, optional
        Saved after each trial, and resumed from.

    Returns
    -------
    list of dict
        Each configuration with its ``validation_loss`` (None if it diverged), in the order in which they were drawn.

    Raises
    ------
    UserError
        If every trial diverged.
    """
    configs = sample_configs(search_space(params), params.sizes[params.size].trials, params.seed)
    keys = [json.dumps(config) for config in configs]  # of the losses, since another version of SciPy may draw others
    saved = checkpoint and checkpoint.load()
    losses = {key: loss for key, loss in saved[1] if key in keys} if saved else {}
    if losses:
        log(f"search: continues after {len(losses)} of {len(configs)} trials")
    missing = {number: (config, params, *split) for number, config in enumerate(configs) if keys[number] not in losses}
    results = run_in_workers("search", run_trial, missing, workers, "lower compute.workers in params.yaml")
    for number, loss in progress(results, "search", len(missing), "trial"):
        losses[keys[number]] = loss
        log(
            f"search: trial {number + 1} of {len(configs)}  "
            + "  ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in configs[number].items())
            + (f"  validation loss {loss:.4f}" if loss is not None else "  diverged")
        )
        if checkpoint:
            checkpoint.save({}, list(losses.items()))
    if all(loss is None for loss in losses.values()):
        raise UserError(
            f"all {len(configs)} trials of the search diverged: add smaller learning rates to its space in params.yaml"
        )
    return [config | {"validation_loss": losses[key]} for key, config in zip(keys, configs)]


def best_config(trials):
    """Return the configuration with the lowest validation loss, of trials that `random_search` returned."""
    best = min(
        (trial for trial in trials if trial["validation_loss"] is not None), key=lambda trial: trial["validation_loss"]
    )
    return {name: value for name, value in best.items() if name != "validation_loss"}
