"""Learning-rate schedules."""

import math

WARMUP = 0.3  # of all steps, in which the one-cycle schedule raises the rate from START of its peak
START = 0.04


def lr_multiplier(schedule, done):
    """Give the factor by which a schedule scales the learning rate.

    Parameters
    ----------
    schedule : {"constant", "one_cycle", "cosine"}
        ``one_cycle`` rises evenly to 1 over the first 30 % of training, then falls to 0 along half a cosine [1]_;
        ``cosine`` falls from the start [2]_.
    done : float
        The part of training that is done, 0 to 1.

    Returns
    -------
    float

    References
    ----------
    .. [1] Smith and Topin, 2018, "Super-convergence", arXiv:1708.07120.
    .. [2] Loshchilov and Hutter, 2017, "SGDR: stochastic gradient descent with warm restarts", arXiv:1608.03983.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "one_cycle":
        if done < WARMUP:
            return START + (1 - START) * done / WARMUP
        done = (done - WARMUP) / (1 - WARMUP)
    return (1 + math.cos(math.pi * done)) / 2


def set_learning_rate(optimizer, learning_rate):
    """Set the learning rate (float) of all of an optimizer's parameters."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
