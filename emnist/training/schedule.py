"""Learning-rate schedules, looked up by name.

A schedule maps the progress of training, 0 to 1, to a multiple of the peak learning rate.
"""

import math

WARMUP = 0.3  # fraction of the steps in which the one-cycle schedule raises the rate
START = 0.04  # fraction of the peak rate at which the one-cycle schedule starts


def constant(progress):
    """Keep the learning rate constant."""
    return 1.0


def one_cycle(progress):
    """Raise the learning rate linearly over the first 30 % of training, then lower it to 0 along half a cosine.

    References
    ----------
    Smith and Topin, 2018, "Super-convergence", arXiv:1708.07120.
    """
    if progress < WARMUP:
        return START + (1 - START) * progress / WARMUP
    return cosine((progress - WARMUP) / (1 - WARMUP))


def cosine(progress):
    """Lower the learning rate from its peak to 0 along half a cosine.

    References
    ----------
    Loshchilov and Hutter, 2017, "SGDR: stochastic gradient descent with warm restarts", arXiv:1608.03983.
    """
    return (1 + math.cos(math.pi * progress)) / 2


# The schedules, by their names in params.yaml.
SCHEDULES = {"constant": constant, "one_cycle": one_cycle, "cosine": cosine}
