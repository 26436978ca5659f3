"""Confusion matrices and the most confused pairs: each function with a `path` writes a PNG there, under `title`."""

import numpy as np
import seaborn as sns
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from emnist.evaluation.metrics import most_confused
from emnist.figures.style import BLUE, GREY, label_font, save, styled

SMALLEST_CELL = 0.16  # inches


@styled
def confusion_heat_map(path, labels, predictions, characters, title):
    """Draw a confusion matrix: counts as numbers, percentages of the true class as colours.

    Parameters
    ----------
    labels, predictions : (N,) array of int
        True and predicted classes.
    characters : sequence of str
        The character of each class.
    """
    counts = confusion_matrix(labels, predictions, labels=range(len(characters)))
    figure, ax = heat_map(
        row_percent(labels, predictions, characters),
        np.where(counts, np.vectorize(_format_count, otypes=[str])(counts), ""),
        characters,
        label="share of the true class's images (%)",
        xlabel="predicted character (the numbers count images)",
        title=title,
        cmap="Blues",
        norm=PowerNorm(0.5, 0, 100),  # The square root shows 2 %, which would be invisible on a linear scale.
        cbar_kws={"ticks": [0, 1, 5, 10, 20, 40, 60, 80, 100]},
    )
    for boundary in group_starts(characters)[1:]:
        ax.axhline(boundary, color=GREY, linewidth=1)
        ax.axvline(boundary, color=GREY, linewidth=1)
    save(path, figure)


@styled
def confused_pairs(path, labels, predictions, characters, title):
    """Draw the confusions with the largest percentages of a class's images, as bars.

    Parameters
    ----------
    path, labels, predictions, characters, title
        As for `confusion_heat_map`.
    """
    pairs = most_confused(labels, predictions, n=25)
    percent = [100 * count / support for _, _, count, support in pairs]
    figure = Figure(figsize=(8, 8), layout="constrained")
    ax = figure.add_subplot()
    bars = ax.barh(range(len(pairs)), percent, color=BLUE)
    ax.bar_label(bars, [f"{count:,} of {support:,}" for _, _, count, support in pairs], padding=4, fontsize=9)
    names = [f"{characters[actual]} → {characters[predicted]}" for actual, predicted, _, _ in pairs]
    ax.set_yticks(range(len(pairs)), names, fontfamily=label_font("".join(names)), fontsize=12)
    ax.invert_yaxis()
    ax.margins(x=0.15, y=0.01)
    ax.set(xlabel="share of the true class's images (%)", ylabel="true → predicted character", title=title)
    save(path, figure)


def row_percent(labels, predictions, characters):
    """Compute a confusion matrix in percent of the true class's images.

    Parameters
    ----------
    labels, predictions : (N,) array of int
    characters : sequence of str

    Returns
    -------
    (C, C) array of float
        True classes in rows, predicted ones in columns; the row of a class without images is 0.
    """
    counts = confusion_matrix(labels, predictions, labels=range(len(characters)))
    return 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def heat_map(values, texts, characters, *, label, xlabel, title, **options):
    """Draw a matrix of classes as colours.

    Parameters
    ----------
    values : (C, C) array of float
        True classes in rows, predicted ones in columns.
    texts : (C, C) array of str
        What is written into the cells; a cell without text has no colour.
    characters : sequence of str
        The character of each class, written on all four sides.
    label : str
        What the colours mean.
    xlabel, title : str
    **options
        As for `seaborn.heatmap`.

    Returns
    -------
    (matplotlib.figure.Figure, matplotlib.axes.Axes)

    Notes
    -----
    The places of matrix and colour bar are fixed, because a layout that fits their texts takes as long as the drawing.
    """
    side = max(15.9, SMALLEST_CELL * len(characters))
    width, height = side + 4.1, side + 2.1
    figure = Figure(figsize=(width, height))
    zoom = min(62 / len(characters) * side / 15.9, 2)  # of the texts in and beside a cell
    ax = figure.add_axes((1 / width, 0.85 / height, side / width, side / height))
    colour_bar = figure.add_axes(((side + 1.6) / width, 4 / height, 0.5 / width, 0.6 * side / height))
    cells = {"mask": texts == "", "annot": texts, "fmt": "", "annot_kws": {"size": 8 * zoom}}
    options |= {"linewidths": 0.5, "linecolor": "0.93", "cbar_ax": colour_bar}
    # The labels are drawn below, because seaborn takes seconds to check whether they overlap.
    sns.heatmap(values, ax=ax, xticklabels=False, yticklabels=False, **cells, **options)
    centres = np.arange(len(characters)) + 0.5
    ax.set(xticks=centres, xticklabels=characters, yticks=centres, yticklabels=characters)
    ax.tick_params(top=True, labeltop=True, right=True, labelright=True)
    longest = max(map(len, characters))
    ax.tick_params(rotation=0, labelsize=13 * zoom * min(1, 3 / longest), labelfontfamily=label_font(characters))
    if longest > 3:
        ax.tick_params(axis="x", rotation=90)
    ax.set_xlabel(xlabel, fontsize=16)
    ax.set_ylabel("true character", fontsize=16)
    ax.set_title(title, fontsize=20, pad=14)
    colour_bar.set_ylabel(label, fontsize=14)
    return figure, ax


def _format_count(count):
    return f"{count}" if count < 10_000 else f"{count / 1000:.0f}k"


def group_starts(characters):
    """List where digits, capitals and small letters begin."""
    kinds = [(each.isdigit(), each.isupper()) for each in characters]
    return [i for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1]]
