"""Figures that compare several models: each function writes a PNG to `path`, under `title`."""

from itertools import cycle

import numpy as np
import seaborn as sns
from matplotlib.colors import PowerNorm, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, MaxNLocator, NullLocator

from emnist.figures.confusion import group_starts, heat_map, row_percent
from emnist.figures.style import GREY, legend, save, styled


@styled
def accuracy_by_cost(path, accuracies, costs, title):
    """Draw the test accuracy of several models against what each costs.

    Parameters
    ----------
    accuracies : dict of str to sequence of float
        The test accuracies of each model's runs, in percent.
    costs : dict of str to dict of str to float
        What each model costs: what is counted, and how much.
    """
    names, colours = list(next(iter(costs.values()))), sns.color_palette("colorblind").as_hex()
    figure = Figure(figsize=(6 * len(names), 5.4), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False).flat, names):
        for (model, runs), colour, marker in zip(accuracies.items(), cycle(colours), cycle("os^DvPX")):
            error = np.std(runs, ddof=1) if len(runs) > 1 else None
            ax.errorbar(
                costs[model][name],
                np.mean(runs),
                error,
                fmt=marker,
                markersize=9,
                color=colour,
                alpha=0.8,
                capsize=4,
                label=model,
            )
        ax.set(xscale="log", xlabel=name)
        ax.margins(x=0.2, y=0.1)
        ax.grid(alpha=0.3)
    ax.set_yscale(
        "function",
        functions=(
            lambda accuracy: -np.log(101 - np.clip(accuracy, 0, 100)),  # the log of the error, and 1
            lambda height: 101 - np.exp(-height),
        ),
    )
    labelled = [0, 20, 40, 60, 70, 80, 85, 90, 95, 98, 100]
    low, high = ax.get_ylim()
    if sum(low <= accuracy <= high for accuracy in labelled) > 1:
        ax.yaxis.set_major_locator(FixedLocator(labelled))
    for each in figure.axes:
        _label_sparsely(each.xaxis)
    figure.axes[0].set_ylabel("test accuracy (%, by the log of the error)")
    legend(figure, ax, len(accuracies), "the mean of each model's runs; the bar is their standard deviation")
    save(path, figure, title)


@styled
def curves_of_models(path, curves, title):
    """Draw the validation loss and accuracy of several models by epoch: the mean of each model's runs, and their range.

    Parameters
    ----------
    curves : pandas.DataFrame
        The epochs of all runs: ``model``, ``epoch``, ``validation_loss`` in nats and ``validation_accuracy`` (0 to 1).
    """
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    panels = [
        ("validation_loss", "cross-entropy of validation images (nats)", 1),
        ("validation_accuracy", "accuracy on validation images (%)", 100),
    ]
    for ax, (column, label, unit) in zip(figure.subplots(1, 2), panels):
        sns.lineplot(x=curves["epoch"], y=unit * curves[column], errorbar=("pi", 100), ax=ax, **styles(curves["model"]))
        ax.get_legend().remove()
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="epoch of pre-training", ylabel=label)
        ax.grid(alpha=0.3)
    figure.axes[0].set_yscale("log")
    figure.axes[0].yaxis.set_major_locator(LogLocator(subs=[1, 2, 5]))
    figure.axes[0].yaxis.set_minor_locator(NullLocator())
    figure.axes[0].yaxis.set_major_formatter("{x:g}")
    legend(figure, ax, curves["model"].nunique(), "the mean of each model's runs; the band is their range")
    save(path, figure, title)


@styled
def confusions_of_models(path, predictions, characters, title):
    """Draw the confusion matrices of several models, small, side by side.

    Parameters
    ----------
    predictions : dict of str to (labels, predictions)
        Of each model, arrays of int.
    characters : str
    """
    rows = -(-len(predictions) // 3)
    figure = Figure(figsize=(15, 5 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False)
    for ax in axes.flat[len(predictions) :]:
        ax.set_axis_off()
    for ax, (model, (labels, predicted)) in zip(axes.flat, predictions.items()):
        image = ax.imshow(row_percent(labels, predicted, characters), cmap="Blues", norm=PowerNorm(0.5, 0, 100))
        _name_groups(ax, characters)
        ax.set_title(f"{model}: accuracy {np.mean(labels == predicted):.1%}")
    figure.supxlabel("predicted character")
    figure.supylabel("true character")
    figure.colorbar(
        image,
        ax=axes,
        shrink=0.6,
        ticks=[0, 1, 5, 10, 20, 40, 60, 80, 100],
        label="share of the true class's images (%)",
    )
    save(path, figure, title)


@styled
def confusion_difference(path, first, second, characters, names, title):
    """Draw where two models differ: how much more often the second takes one character for another.

    Parameters
    ----------
    first, second : (labels, predictions)
        Arrays of int.
    characters : str
    names : (str, str)
    """
    difference = row_percent(*second, characters) - row_percent(*first, characters)
    rounded = np.rint(difference).astype(int)
    highest = max(np.abs(difference).max(), 1)
    figure, _ = heat_map(
        difference,
        np.where(rounded, np.vectorize("{:+d}".format, otypes=[str])(rounded), ""),
        characters,
        label=f"share of the true class's images: {names[1]} less {names[0]} (percentage points)",
        xlabel=f"predicted character (on the diagonal, + is better for {names[1]}; off it, worse)",
        title=title,
        cmap="PuOr",
        norm=SymLogNorm(1, vmin=-highest, vmax=highest),
        vmin=-highest,
        vmax=highest,
        cbar_kws={"format": "{x:+g}"},
    )
    save(path, figure)


@styled
def searches_of_models(path, trials, title):
    """Draw how much each hyperparameter matters to each model, by the trials of the models' searches.

    Parameters
    ----------
    trials : pandas.DataFrame
        Those of all runs, as `search_trials` takes them, with ``model``.

    Notes
    -----
    What matters is the share of the variance of the loss's rank that is between a hyperparameter's values: the
    correlation ratio, eta squared. The rank, since one trial that all but diverged would outweigh the rest.
    """
    names = [name for name in trials.columns if name not in ("model", "trial", "validation_loss")]
    ranks = 100 * trials.groupby("model")["validation_loss"].rank(pct=True, na_option="bottom")
    figure = Figure(figsize=(3.6 * len(names), 5.2), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names), sharey=True), names):
        values = np.unique(trials[name])
        places = np.searchsorted(values, trials[name])
        sns.lineplot(x=places, y=ranks, errorbar=None, ax=ax, **styles(trials["model"]))
        ax.get_legend().remove()
        explained = [
            correlation_ratio(ranks[rows], trials[name][rows]) for rows in trials.groupby("model").groups.values()
        ]
        ax.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        ax.set(xlabel=name.replace("_", " "), ylim=(100, 0))
        ax.set_title(f"explains {100 * np.median(explained):.0f} %\nof how trials rank", fontsize=11)
        ax.grid(alpha=0.3)
    figure.axes[0].set_ylabel("mean rank of the trials (%), 0 is the lowest loss")
    legend(figure, ax, trials["model"].nunique())
    save(path, figure, title)


def _label_sparsely(axis):
    """Label a logarithmic axis so that no labels overlap, whether it spans many powers of ten or a part of one."""
    low, high = axis.get_view_interval()
    if high < 10 * low:
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    else:
        axis.set_major_locator(LogLocator(subs=[1, 2, 5] if high < 100 * low else [1]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(EngFormatter())


def styles(models):
    """Give each model, named in each row of a table (pandas.Series), its colour, line and marker, as Seaborn takes them."""
    palette = dict(zip(models.unique(), cycle(sns.color_palette("colorblind").as_hex())))
    return {"hue": models, "style": models, "markers": True, "palette": palette}


def _name_groups(ax, characters):
    """Mark where digits, capitals and small letters begin."""
    starts = group_starts(characters)
    ends = [*starts[1:], len(characters)]
    for edge in starts[1:]:
        ax.axhline(edge - 0.5, color=GREY, linewidth=0.8)
        ax.axvline(edge - 0.5, color=GREY, linewidth=0.8)
    middles = [(start + end - 1) / 2 for start, end in zip(starts, ends)]
    names = [f"{characters[start]} to {characters[end - 1]}" for start, end in zip(starts, ends)]
    ax.set_xticks(middles, names)
    ax.set_yticks(middles, names, rotation=90, va="center")
    ax.tick_params(length=0)


def correlation_ratio(values, groups):
    """Give the share of the variance of values that is between groups: eta squared, 0 to 1."""
    between = values.groupby(groups).transform("mean").var(ddof=0)
    return between / (values.var(ddof=0) or 1)
