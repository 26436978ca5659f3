"""Random search over the hyperparameters of SGD."""

from joblib import Parallel, delayed

from emnist.models import build_model
from emnist.training.batches import Images
from emnist.training.hardware import choose
from emnist.training.loop import Diverged, fit, seed_everything
from emnist.training.optimizers import sgd
from emnist.utils.errors import UserError, deaf_to_ctrl_c
from emnist.utils.progress import progress, say


def draws(space, trials, seed):
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
    return [dict(zip(names, draw)) for draw in chosen]


def trial(draw, params, images, labels, statistics, train_indices, validation_indices):
    """Train one draw from fresh weights, and score it.

    Parameters
    ----------
    draw : dict
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
    hardware = choose(params.compute, model, threads=1)
    model = hardware.place(model)
    train = Images(images, labels, hardware, statistics, train_indices)
    validation = Images(images, labels, hardware, statistics, validation_indices)
    try:
        history = fit("search", model, sgd(model, draw), train, epochs=params.sized("search").epochs,
                      batch_size=draw["batch_size"], augmentation=params.augmentation,
                      schedule=params.by_recipe("pretrain").schedule, clip_norm=params.pretrain.clip_norm, seed=params.seed,
                      validation=validation, quiet=True)
    except Diverged:
        return None
    return history[-1]["validation_loss"]


def random_search(params, split, workers, checkpoint=None):
    """Score distinct draws, as many side by side as there are workers.

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
        Each draw with its ``validation_loss`` (None if it diverged), in the order drawn.

    Raises
    ------
    UserError
        If every trial diverged.
    """
    chosen = draws(params.search_space, params.sized("search").trials, params.seed)
    kept = checkpoint and checkpoint.load()
    losses = dict(kept[1]) if kept else {}
    if losses:
        say(f"search: continues after {len(losses)} of {len(chosen)} trials")
    missing = [number for number in range(len(chosen)) if number not in losses]
    with deaf_to_ctrl_c():
        ended = Parallel(n_jobs=workers, return_as="generator_unordered")(
            delayed(_numbered)(number, chosen[number], params, *split) for number in missing)
    for number, loss in progress(ended, "search", len(missing), "trial"):
        losses[number] = loss
        say(f"search: trial {number + 1} of {len(chosen)}  " + "  ".join(
            f"{name.replace('_', ' ')} {value:g}" for name, value in chosen[number].items())
            + (f"  validation loss {loss:.4f}" if loss is not None else "  diverged"))
        if checkpoint:
            checkpoint.save({}, list(losses.items()))
    if all(loss is None for loss in losses.values()):
        raise UserError(f"all {len(chosen)} trials of the search diverged: "
                        "add smaller learning rates to its space in params.yaml")
    return [draw | {"validation_loss": losses[number]} for number, draw in enumerate(chosen)]


def best_draw(trials):
    """Give the draw with the lowest validation loss."""
    best = min((t for t in trials if t["validation_loss"] is not None), key=lambda t: t["validation_loss"])
    return {name: value for name, value in best.items() if name != "validation_loss"}


def _numbered(number, *arguments):
    return number, trial(*arguments)
