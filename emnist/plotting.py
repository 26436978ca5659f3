"""The figures: colours the colour-blind tell apart, nothing said by colour alone, reproducible bytes."""

import io
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import PowerNorm, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator
from PIL import Image
from sklearn.metrics import confusion_matrix

from emnist.files import write_bytes
from emnist.metrics import most_confused

BLUE, ORANGE, GREEN, RED, *_ = sns.color_palette("colorblind").as_hex()
GREY = "0.55"
MONOSPACE = "DejaVu Sans Mono"  # comes with matplotlib, and tells 0 from O and 1, I and l apart
DPI = 100
SOURCES = {"sample": "the rendered sample", "emnist": "EMNIST ByClass", "folder": "images from a folder"}  # in titles

# "default" first: a person's own matplotlibrc must not change the bytes.
_styled = plt.style.context([
    "default", {"font.size": 11, "axes.spines.right": False, "axes.spines.top": False},
])


@_styled
def confusion_heat_map(path, labels, predictions, characters, title):
    """Draw a confusion matrix: counts as numbers, shares of the true class as colours.

    Parameters
    ----------
    path : path-like
        The PNG to write; the same in every function below.
    labels, predictions : (N,) array of int
    characters : str
        The character of each class.
    title : str
    """
    counts = confusion_matrix(labels, predictions, labels=range(len(characters)))
    percent = _shares(labels, predictions, characters)
    figure = Figure(figsize=(20, 18), layout="constrained")
    ax = figure.add_subplot()
    sns.heatmap(
        percent, ax=ax, mask=counts == 0, cmap="Blues", square=True, linewidths=0.5, linecolor="0.93",
        norm=PowerNorm(0.5, 0, 100),  # a square root, or a confusion of 2 % could not be seen
        annot=np.vectorize(_short, otypes=[str])(counts), fmt="", annot_kws={"size": 8, "in_layout": False},
        xticklabels=False, yticklabels=False,  # seaborn takes seconds to see whether they overlap
        cbar_kws={"label": "share of the true class's images (%)", "shrink": 0.6, "pad": 0.005,
                  "ticks": [0, 1, 5, 10, 20, 40, 60, 80, 100]},
    )
    _name_classes(figure, ax, characters)
    for edge in [i for i in range(1, len(characters)) if _kind(characters[i]) != _kind(characters[i - 1])]:
        ax.axhline(edge, color=GREY, linewidth=1)
        ax.axvline(edge, color=GREY, linewidth=1)
    ax.set_xlabel("predicted character (the numbers count images)", fontsize=16)
    ax.set_ylabel("true character", fontsize=16)
    ax.set_title(title, fontsize=20, pad=14)
    _save(path, figure)


@_styled
def confused_pairs(path, labels, predictions, characters, title, n=25):
    """Draw the `n` confusions that take the largest share of a class's images, as bars.

    Parameters are those of `confusion_heat_map`.
    """
    pairs = most_confused(labels, predictions, n)
    shares = [100 * count / support for _, _, count, support in pairs]
    figure = Figure(figsize=(8, 8), layout="constrained")
    ax = figure.add_subplot()
    bars = ax.barh(range(len(pairs)), shares, color=BLUE)
    ax.bar_label(bars, [f"{count:,} of {support:,}" for _, _, count, support in pairs], padding=4, fontsize=9)
    names = [f"{characters[actual]} → {characters[predicted]}" for actual, predicted, _, _ in pairs]
    ax.set_yticks(range(len(pairs)), names, fontfamily=MONOSPACE, fontsize=12)
    ax.invert_yaxis()
    ax.margins(x=0.15, y=0.01)
    ax.set(xlabel="share of the true class's images (%)", ylabel="true → predicted character", title=title)
    _save(path, figure)


@_styled
def prediction_grid(path, images, actual, predicted, confidence, title, columns=8):
    """Draw characters with what was read; wrong ones have a cross, a thick frame and the truth.

    Parameters
    ----------
    images : (N, 28, 28) array of float
        Stroke intensity, 0 to 1.
    actual, predicted : sequences of N characters
    confidence : sequence of N floats
        The probability of the predicted character, 0 to 1.
    title : str
    columns : int
    """
    rows = -(-len(images) // columns)
    figure, axes = _grid(rows, columns, width=1.45, height=1.65, head=1.05)
    axes = axes.flat
    for ax in axes[len(images):]:
        ax.set_axis_off()
    for ax, image, truth, character, probability in zip(axes, images, actual, predicted, confidence):
        right = truth == character
        _draw_character(ax, image, "0.8" if right else RED, 1 if right else 3.5)
        read = f"{character} {probability:.0%}"
        ax.set_title(read if right else f"✗ {read}, is {truth}", fontfamily=MONOSPACE, fontsize=10,
                     color="black" if right else RED, fontweight="normal" if right else "bold")
    figure.suptitle(title)
    _save(path, figure)


@_styled
def augmentation_grid(path, images, characters, title):
    """Draw, in each row, a character and what augmentation makes of it.

    Parameters
    ----------
    images : (rows, columns, 28, 28) array of float
        Stroke intensity, 0 to 1; the first column holds the originals.
    characters : sequence of str
        The character of each row.
    title : str
    """
    rows, columns = images.shape[:2]
    figure, axes = _grid(rows, columns, width=1, height=1, head=0.9, left=0.5)
    for ax, image in zip(axes.flat, images.reshape(-1, *images.shape[2:])):
        _draw_character(ax, image, "0.8", 1)
    for ax, character in zip(axes[:, 0], characters, strict=True):
        ax.set_ylabel(character, rotation=0, va="center", labelpad=12, fontfamily=MONOSPACE, fontsize=14)
        ax.spines[:].set(edgecolor=BLUE, linewidth=3)
    axes[0, 0].set_title("original", color=BLUE, fontsize=11)
    figure.suptitle(title)
    _save(path, figure)


@_styled
def training_curves(path, pretrain, finetune, title):
    """Draw loss and accuracy by epoch, fine-tuning after pre-training.

    Parameters
    ----------
    pretrain, finetune : mappings of str to sequences of float
        ``train_loss`` in nats and ``train_accuracy`` (0 to 1) of each epoch; for pre-training also
        ``validation_loss`` and ``validation_accuracy``.
    title : str
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
        ax.annotate("fine-tuning starts", (end + 0.5, corner), xycoords=("data", "axes fraction"),
                    xytext=(-3, 0), textcoords="offset points", rotation=90, ha="right",
                    va="top" if corner > 0.5 else "bottom", fontsize=9, color="0.35")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
        ax.set(xlabel="epoch", ylabel=quantity)
    _legend(figure, ax, 3)
    figure.suptitle(title)
    _save(path, figure)


@_styled
def search_trials(path, trials, title):
    """Draw the validation loss of each trial against each hyperparameter.

    Parameters
    ----------
    trials : pandas.DataFrame
        Columns ``trial``, the hyperparameters, and ``validation_loss`` in nats, NaN where the trial diverged.
    title : str
    """
    names = [name for name in trials.columns if name not in ("trial", "validation_loss")]
    loss = trials["validation_loss"]
    best, diverged = loss.idxmin(), loss.isna()
    figure = Figure(figsize=(3.4 * len(names), 4.8), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False).flat, names):
        values, places = np.unique(trials[name], return_inverse=True)
        same = trials.groupby(name)["trial"]  # trials of one value stand side by side
        x = places + 0.7 * ((same.cumcount() + 0.5) / same.transform("size") - 0.5)
        ax.scatter(x, loss, s=28, color=BLUE, alpha=0.8, label="trial")
        ax.hlines(loss.groupby(places).median(), np.arange(len(values)) - 0.4, np.arange(len(values)) + 0.4,
                  color="black", label="median, diverged left out")
        ax.scatter(x[best], loss[best], s=190, marker="*", color=ORANGE, edgecolor="black", zorder=3,
                   label="best")
        ax.scatter(x[diverged], np.full(diverged.sum(), 0.96), marker="x", color=RED, label="diverged",
                   transform=ax.get_xaxis_transform())
        ax.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        ax.set(xlabel=name.replace("_", " "), xlim=(-0.6, len(values) - 0.4))
        ax.grid(axis="y", alpha=0.3)
    low, high = loss.min(), loss.max()
    margin = 0.05 * (high - low) or 0.1
    ax.set_ylim(low - margin, high + 3 * margin)  # room for the diverged at the top
    figure.axes[0].set_ylabel("validation cross-entropy (nats)")
    _legend(figure, ax, 4)
    figure.suptitle(title)
    _save(path, figure)


@_styled
def accuracy_by_cost(path, accuracies, costs, title):
    """Draw the test accuracy of several models against what each costs.

    Parameters
    ----------
    accuracies : dict of str to sequence of float
        The test accuracies of each model's runs, in percent.
    costs : dict of str to dict of str to float
        What each model costs: what is counted, and how much.
    title : str
    """
    names = list(next(iter(costs.values())))
    figure = Figure(figsize=(6 * len(names), 5.4), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False).flat, names):
        for model, colour, _, marker in apart(accuracies):
            runs = np.asarray(accuracies[model])
            ax.errorbar(costs[model][name], runs.mean(), runs.std(ddof=1) if len(runs) > 1 else None,
                        marker=marker, markersize=9, color=colour, alpha=0.8, capsize=4, linestyle="none", label=model)
        ax.set(xscale="log", xlabel=name)
        ax.margins(x=0.2, y=0.1)
        ax.grid(alpha=0.3)
    ax.set_yscale("function", functions=(lambda accuracy: -np.log(101 - np.clip(accuracy, 0, 100)),  # of the error, and 1
                                         lambda height: 101 - np.exp(-height)))
    ax.yaxis.set_major_locator(FixedLocator([0, 20, 40, 60, 70, 80, 85, 90, 95, 98, 100]))
    figure.axes[0].set_ylabel("test accuracy (%, by the log of the error)")
    _legend(figure, ax, len(accuracies), "the mean of each model's runs; the bar is their standard deviation")
    figure.suptitle(title)
    _save(path, figure)


@_styled
def curves_of_models(path, curves, title):
    """Draw the validation loss and accuracy of several models by epoch: the mean of each model's runs, and their range.

    Parameters
    ----------
    curves : dict of str to list of pandas.DataFrame
        For each model its runs, with ``epoch``, ``validation_loss`` in nats and ``validation_accuracy`` (0 to 1).
    title : str
    """
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    panels = [("validation_loss", "cross-entropy of validation images (nats)", 1),
              ("validation_accuracy", "accuracy on validation images (%)", 100)]
    for ax, (column, label, unit) in zip(figure.subplots(1, 2), panels):
        for model, colour, line, marker in apart(curves):
            values = unit * pd.concat([run.set_index("epoch")[column] for run in curves[model]], axis=1)
            ax.plot(values.index, values.mean(axis=1), linestyle=line, marker=marker, markersize=5, color=colour,
                    label=model)
            ax.fill_between(values.index, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.15, linewidth=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="epoch of pre-training", ylabel=label)
        ax.grid(alpha=0.3)
    figure.axes[0].set_yscale("log")
    figure.axes[0].yaxis.set_major_locator(LogLocator(subs=[1, 2, 5]))
    figure.axes[0].yaxis.set_minor_locator(NullLocator())
    figure.axes[0].yaxis.set_major_formatter("{x:g}")
    _legend(figure, ax, len(curves), "the mean of each model's runs; the band is their range")
    figure.suptitle(title)
    _save(path, figure)


@_styled
def confusions_of_models(path, predictions, characters, title):
    """Draw the confusion matrices of several models, small, side by side.

    Parameters
    ----------
    predictions : dict of str to (labels, predictions)
        Of each model, arrays of int.
    characters : str
    title : str
    """
    rows = -(-len(predictions) // 3)
    figure = Figure(figsize=(15, 5 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False)
    for ax in axes.flat[len(predictions):]:
        ax.set_axis_off()
    for ax, (model, (labels, read)) in zip(axes.flat, predictions.items()):
        image = ax.imshow(_shares(labels, read, characters), cmap="Blues", norm=PowerNorm(0.5, 0, 100))
        _name_groups(ax, characters)
        ax.set_title(f"{model}: {np.mean(labels == read):.1%} read correctly")
    figure.supxlabel("predicted character")
    figure.supylabel("true character")
    figure.colorbar(image, ax=axes, shrink=0.6, ticks=[0, 1, 5, 10, 20, 40, 60, 80, 100],
                    label="share of the true class's images (%)")
    figure.suptitle(title)
    _save(path, figure)


@_styled
def confusion_difference(path, first, second, characters, names, title):
    """Draw where two models differ: how much more often the second takes one character for another.

    Parameters
    ----------
    first, second : (labels, predictions)
        Arrays of int.
    characters : str
    names : (str, str)
    title : str
    """
    difference = _shares(*second, characters) - _shares(*first, characters)
    rounded = np.rint(difference).astype(int)
    highest = max(np.abs(difference).max(), 1)
    figure = Figure(figsize=(20, 18), layout="constrained")
    ax = figure.add_subplot()
    sns.heatmap(
        difference, ax=ax, mask=rounded == 0, cmap="PuOr", square=True, linewidths=0.5, linecolor="0.93",
        norm=SymLogNorm(1, vmin=-highest, vmax=highest), vmin=-highest, vmax=highest,
        annot=np.vectorize("{:+d}".format, otypes=[str])(rounded), fmt="", annot_kws={"size": 8, "in_layout": False},
        xticklabels=False, yticklabels=False,
        cbar_kws={"label": f"share of the true class's images: {names[1]} less {names[0]} (percentage points)",
                  "shrink": 0.6, "pad": 0.005, "format": "{x:+g}"},
    )
    _name_classes(figure, ax, characters)
    ax.set_xlabel(f"predicted character (on the diagonal, + is better for {names[1]}; off it, worse)", fontsize=16)
    ax.set_ylabel("true character", fontsize=16)
    ax.set_title(title, fontsize=20, pad=14)
    _save(path, figure)


@_styled
def searches_of_models(path, trials, title):
    """Draw how much each hyperparameter matters to each model, by the trials of the models' searches.

    Parameters
    ----------
    trials : dict of str to pandas.DataFrame
        For each model the trials of all its runs, as `search_trials` takes them.
    title : str

    Notes
    -----
    What matters is the share of the variance of the loss's rank that is between a hyperparameter's values: the
    correlation ratio, eta squared. The rank, since one trial that all but diverged would outweigh the rest.
    """
    names = [name for name in next(iter(trials.values())).columns if name not in ("trial", "validation_loss")]
    figure = Figure(figsize=(3.6 * len(names), 5.2), layout="constrained")
    for ax, name in zip(figure.subplots(1, len(names), sharey=True), names):
        values = np.unique(np.concatenate([table[name] for table in trials.values()]))
        explained = []
        for model, colour, line, marker in apart(trials):
            table = trials[model]
            ranks = table["validation_loss"].rank(pct=True, na_option="bottom") * 100
            means = ranks.groupby(table[name]).mean()
            explained.append(correlation_ratio(ranks, table[name]))
            ax.plot(np.searchsorted(values, means.index), means, linestyle=line, marker=marker, color=colour, label=model)
        ax.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        ax.set(xlabel=name.replace("_", " "), ylim=(100, 0))
        ax.set_title(f"explains {100 * np.median(explained):.0f} %\nof how trials rank", fontsize=11)
        ax.grid(alpha=0.3)
    figure.axes[0].set_ylabel("mean rank of the trials (%), 0 is the lowest loss")
    _legend(figure, ax, len(trials))
    figure.suptitle(title)
    _save(path, figure)


def apart(models):
    """Give each model a colour, a line and a marker of its own."""
    return zip(models, cycle(sns.color_palette("colorblind").as_hex()), cycle(["-", "--", "-.", ":"]), cycle("os^DvPX"))


def _shares(labels, predictions, characters):
    """Give the confusion matrix in percent of the true class's images."""
    counts = confusion_matrix(labels, predictions, labels=range(len(characters)))
    return 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _name_classes(figure, ax, characters):
    """Name each row and column of a heat map on all four sides, and its colours legibly."""
    middles = np.arange(len(characters)) + 0.5
    ax.set(xticks=middles, xticklabels=characters, yticks=middles, yticklabels=characters)
    ax.tick_params(top=True, labeltop=True, right=True, labelright=True, rotation=0, labelsize=13,
                   labelfontfamily=MONOSPACE)
    figure.axes[1].yaxis.label.set_size(14)


def _name_groups(ax, characters):
    """Mark where digits, capitals and small letters begin."""
    starts = [0] + [i for i in range(1, len(characters)) if _kind(characters[i]) != _kind(characters[i - 1])]
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


def _short(count):
    return f"{count}" if count < 10_000 else f"{count / 1000:.0f}k"


def _kind(character):
    return character.isdigit(), character.isupper()


def _grid(rows, columns, *, width, height, head, left=0.0):
    """Make a figure of places for characters, of so many inches, which takes a fifth of a constrained layout's time."""
    size = left + width * columns, height * rows + head
    figure = Figure(figsize=size)
    return figure, figure.subplots(rows, columns, squeeze=False, gridspec_kw={
        "left": (left + 0.05) / size[0], "right": 1 - 0.05 / size[0], "bottom": 0.05 / size[1],
        "top": 1 - head / size[1], "wspace": 0.12 / width, "hspace": 0.35 - 0.25 / height})


def _draw_character(ax, image, colour, linewidth):
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, edgecolor=colour, linewidth=linewidth)


def _legend(figure, ax, columns, title=None):
    """Say below all panels, once, what one of them names."""
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=columns, frameon=False, title=title)


def _save(path, figure):
    """Write a figure as a PNG of at most 256 colours, a third of the size, without matplotlib's version."""
    rendered, png = io.BytesIO(), io.BytesIO()
    figure.savefig(rendered, format="png", dpi=DPI)
    picture = Image.open(rendered).convert("RGB")
    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture.save(png, format="png", optimize=True)
    write_bytes(path, png.getvalue())
