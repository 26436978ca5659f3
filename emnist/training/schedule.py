"""Learning-rate schedules, found by name.

A schedule maps the part of training that is done, 0 to 1, to the factor by which the learning rate is multiplied.
"""

import math

WARMUP = 0.3  # of all steps, in which the one-cycle schedule raises the rate from START of its peak
START = 0.04


def constant(done):
    """Keep the rate as it is."""
    return 1.0


def one_cycle(done):
    """Rise evenly to the peak over the first 30 % of training, then fall to 0 along half a cosine.

    References
    ----------
    Smith and Topin, 2018, "Super-convergence", arXiv:1708.07120.
    """
    if done < WARMUP:
        return START + (1 - START) * done / WARMUP
    return cosine((done - WARMUP) / (1 - WARMUP))


def cosine(done):
    """Fall from the peak to 0 along half a cosine.

    References
    ----------
    Loshchilov and Hutter, 2017, "SGDR: stochastic gradient descent with warm restarts", arXiv:1608.03983.
    """
    return (1 + math.cos(math.pi * done)) / 2


# By their names in params.yaml.
SCHEDULES = {"constant": constant, "one_cycle": one_cycle, "cosine": cosine}


def set_learning_rate(optimizer, learning_rate):
    """Set the learning rate (float) of all of an optimizer's parameters."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
