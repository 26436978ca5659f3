"""Random search over the hyperparameters of pre-training."""

import math

from joblib import Parallel, delayed

from emnist.models import build_model, set_dropout
from emnist.training.augmentation import build_augmentations
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.loop import Diverged, fit, seed_everything
from emnist.training.losses import build_loss
from emnist.training.optimizers import OPTIMIZERS, build_optimizer
from emnist.utils.errors import UserError, workers_ignore_sigint
from emnist.utils.progress import log, progress


def search_space(params):
    """Return the distinct values (list) of each hyperparameter (str) for the recipe, the model and the optimizer in use."""
    spaces = params.search[params.recipe]
    space = spaces.resnet_space if params.model == "resnet" and spaces.resnet_space else spaces.space
    searched = {"learning_rate", "batch_size", *OPTIMIZERS[params.pretrain.optimizer].model_fields}
    return {name: sorted(set(values)) for name, values in space if name in searched}


def check_trials(params):
    """Raise a `UserError` if the search asks for more trials than its space has combinations."""
    trials, combinations = params.search[params.size].trials, math.prod(map(len, search_space(params).values()))
    if trials > combinations:
        raise UserError(
            f"params.yaml: search.{params.size}.trials should be at most {combinations}, the combinations in "
            f"the space of search.{params.recipe}, but is {trials}"
        )


def sample_configs(space, trials, seed):
    """Draw distinct combinations, each value about as often as the others.

    Parameters
    ----------
    space : dict of str to list
    trials : int
        At most the number of combinations.
    seed : int

    Returns
    -------
    list of dict

    References
    ----------
    Bergstra and Bengio, 2012, "Random search for hyper-parameter optimization", JMLR 13: of the random sequences
    they compare, a scrambled Sobol sequence needs the fewest trials.
    """
    from scipy.stats.qmc import Sobol  # which the trials' processes don't need

    names = sorted(space)
    points, chosen = Sobol(len(names), rng=seed), {}  # keeps the order
    while len(chosen) < trials:
        point = zip(names, points.random()[0])
        chosen[tuple(space[name][int(part * len(space[name]))] for name, part in point)] = None
    return [dict(zip(names, config)) for config in chosen]


def run_trial(config, params, images, labels, statistics, train_indices, validation_indices):
    """Train one configuration from fresh weights, and score it.

    Parameters
    ----------
    config : dict
    params : emnist.params.Params
    images, labels, statistics, train_indices, validation_indices
        As `emnist.data.datasets.read_split` returns them.

    Returns
    -------
    float or None
        Cross-entropy on mini-validation after the last epoch, in nats; None if the trial diverged.
    """
    # One thread a trial, however many run side by side: the sums of two threads round differently.
    seed_everything(params.seed, "search")
    model = build_model(params.model)
    set_dropout(model, params.dropout[params.recipe].get(params.model))
    hardware = setup_hardware(params.compute, model, threads=1)
    model = hardware.to_device(model)
    train = ImageBatches(images, labels, hardware, statistics, train_indices)
    validation = ImageBatches(images, labels, hardware, statistics, validation_indices)
    optimizer = params.pretrain.optimizer
    try:
        history = fit(
            "search",
            model,
            build_optimizer(optimizer, params.optimizers[optimizer], model.parameters(), config),
            train,
            epochs=params.search[params.size].epochs,
            batch_size=config["batch_size"],
            augmentations=build_augmentations(params.augmentation),
            loss=build_loss(params.loss, params.losses[params.loss]),
            schedule=params.pretrain[params.recipe].schedule,
            clip_norm=params.pretrain.clip_norm,
            seed=params.seed,
            validation=validation,
            quiet=True,
        )
    except Diverged:
        return None
    return history[-1]["validation_loss"]


def random_search(params, split, workers, checkpoint=None):
    """Train and score distinct configurations, as many side by side as there are workers.

    Parameters
    ----------
    params : emnist.params.Params
    split : tuple
        Images, labels, statistics, mini-train and mini-validation, as `emnist.data.datasets.read_split` returns them.
    workers : int
        Any number gives the same result.
    checkpoint : emnist.utils.checkpoint.Checkpoint, optional
        Written after each trial, and continued from.

    Returns
    -------
    list of dict
        Each configuration with its ``validation_loss`` (None if it diverged), in the order drawn.

    Raises
    ------
    UserError
        If every trial diverged.
    """
    chosen = sample_configs(search_space(params), params.search[params.size].trials, params.seed)
    kept = checkpoint and checkpoint.load()
    losses = dict(kept[1]) if kept else {}
    if losses:
        log(f"search: continues after {len(losses)} of {len(chosen)} trials")
    missing = [number for number in range(len(chosen)) if number not in losses]
    with workers_ignore_sigint():
        ended = Parallel(n_jobs=workers, return_as="generator_unordered")(
            delayed(_numbered)(number, chosen[number], params, *split) for number in missing
        )
    for number, loss in progress(ended, "search", len(missing), "trial"):
        losses[number] = loss
        log(
            f"search: trial {number + 1} of {len(chosen)}  "
            + "  ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in chosen[number].items())
            + (f"  validation loss {loss:.4f}" if loss is not None else "  diverged")
        )
        if checkpoint:
            checkpoint.save({}, list(losses.items()))
    if all(loss is None for loss in losses.values()):
        raise UserError(
            f"all {len(chosen)} trials of the search diverged: add smaller learning rates to its space in params.yaml"
        )
    return [config | {"validation_loss": losses[number]} for number, config in enumerate(chosen)]


def best_config(trials):
    """Return the configuration with the lowest validation loss."""
    best = min((t for t in trials if t["validation_loss"] is not None), key=lambda t: t["validation_loss"])
    return {name: value for name, value in best.items() if name != "validation_loss"}


def _numbered(number, *arguments):
    return number, run_trial(*arguments)
