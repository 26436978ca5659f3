"""Figures of training curves and of the random search: each function writes a PNG to `path`, under `title`."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from emnist.figures.style import BLUE, GREEN, GREY, ORANGE, RED, legend, save, styled


@styled
def training_curves(path, pretrain, finetune, title):
    """Draw loss and accuracy of each epoch of pre-training and fine-tuning.

    Parameters
    ----------
    pretrain, finetune : mappings of str to sequences of float
        ``train_loss`` in nats and ``train_accuracy`` (0 to 1) of each epoch; for pre-training also
        ``validation_loss`` and ``validation_accuracy``.
    """
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    end = len(pretrain["train_loss"])
    lines = [
        (pretrain, "train", 1, "pre-training, training images", "o-", BLUE),
        (pretrain, "validation", 1, "pre-training, validation images", "s--", ORANGE),
        (finetune, "train", end + 1, "fine-tuning, training images", "^-", GREEN),
    ]
    panels = [("loss", "cross-entropy (nats)", 1, 0.97), ("accuracy", "accuracy (%)", 100, 0.03)]
    for ax, (name, quantity, unit, corner) in zip(figure.subplots(1, 2), panels):
        for curves, part, first, label, style, colour in lines:
            values = unit * np.asarray(curves[f"{part}_{name}"])
            ax.plot(range(first, first + len(values)), values, style, color=colour, markersize=4, label=label)
        ax.axvline(end + 0.5, color=GREY, linestyle=":")
        place = {"xycoords": ("data", "axes fraction"), "xytext": (-3, 0), "textcoords": "offset points"}
        style = {"rotation": 90, "ha": "right", "va": "top" if corner > 0.5 else "bottom", "fontsize": 9}
        ax.annotate("fine-tuning starts", (end + 0.5, corner), **place, **style, color="0.35")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
        ax.set(xlabel="epoch", ylabel=quantity)
    legend(figure, ax, 3)
    save(path, figure, title)


@styled
def search_trials(path, trials, title):
    """Draw the validation loss of each trial against each hyperparameter.

    Parameters
    ----------
    trials : pandas.DataFrame
        Columns ``trial``, the hyperparameters, and ``validation_loss`` in nats, NaN where the trial diverged.
    """
    names = [name for name in trials.columns if name not in ("trial", "validation_loss")]
    names = [name for name in names if trials[name].nunique() > 1] or names
    loss = trials["validation_loss"]
    best, diverged = loss.idxmin(), loss.isna()
    figure = Figure(figsize=(3.4 * len(names), 4.8), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False).flat, names):
        values, positions = np.unique(trials[name], return_inverse=True)
        groups = trials.groupby(name)["trial"]  # Trials of one value are drawn side by side.
        x = positions + 0.7 * ((groups.cumcount() + 0.5) / groups.transform("size") - 0.5)
        ax.scatter(x, loss, s=28, color=BLUE, alpha=0.8, label="trial")
        medians, places = loss.groupby(positions).median(), np.arange(len(values))
        ax.hlines(medians, places - 0.4, places + 0.4, color="black", label="median, diverged left out")
        ax.scatter(x[best], loss[best], s=190, marker="*", color=ORANGE, edgecolor="black", zorder=3, label="best")
        at_the_top = {"transform": ax.get_xaxis_transform(), "marker": "x", "color": RED}
        ax.scatter(x[diverged], np.full(diverged.sum(), 0.96), label="diverged", **at_the_top)
        ax.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        ax.set(xlabel=name.replace("_", " "), xlim=(-0.6, len(values) - 0.4))
        ax.grid(axis="y", alpha=0.3)
    low, high = loss.min(), loss.max()
    margin = 0.05 * (high - low) or 0.1
    ax.set_ylim(low - margin, high + 3 * margin)  # The room at the top is for diverged trials.
    figure.axes[0].set_ylabel("validation cross-entropy (nats)")
    legend(figure, ax, 4)
    save(path, figure, title)
