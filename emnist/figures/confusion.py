"""Confusion matrices and the most confused pairs."""

import numpy as np
import seaborn as sns
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from emnist.evaluation.metrics import most_confused
from emnist.figures.style import BLUE, GREY, MONOSPACE, save, styled


@styled
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
    percent = row_percent(labels, predictions, characters)
    figure = Figure(figsize=(20, 18), layout="constrained")
    ax = figure.add_subplot()
    sns.heatmap(
        percent,
        ax=ax,
        mask=counts == 0,
        cmap="Blues",
        square=True,
        linewidths=0.5,
        linecolor="0.93",
        norm=PowerNorm(0.5, 0, 100),  # a square root, or a confusion of 2 % could not be seen
        annot=np.vectorize(_short, otypes=[str])(counts),
        fmt="",
        annot_kws={"size": 8, "in_layout": False},
        xticklabels=False,
        yticklabels=False,  # seaborn takes seconds to see whether they overlap
        cbar_kws={
            "label": "share of the true class's images (%)",
            "shrink": 0.6,
            "pad": 0.005,
            "ticks": [0, 1, 5, 10, 20, 40, 60, 80, 100],
        },
    )
    name_classes(figure, ax, characters)
    for edge in [i for i in range(1, len(characters)) if kind(characters[i]) != kind(characters[i - 1])]:
        ax.axhline(edge, color=GREY, linewidth=1)
        ax.axvline(edge, color=GREY, linewidth=1)
    ax.set_xlabel("predicted character (the numbers count images)", fontsize=16)
    ax.set_ylabel("true character", fontsize=16)
    ax.set_title(title, fontsize=20, pad=14)
    save(path, figure)


@styled
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
    save(path, figure)


def row_percent(labels, predictions, characters):
    """Give the confusion matrix in percent of the true class's images."""
    counts = confusion_matrix(labels, predictions, labels=range(len(characters)))
    return 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def name_classes(figure, ax, characters):
    """Name each row and column of a heat map on all four sides, and its colours legibly."""
    middles = np.arange(len(characters)) + 0.5
    ax.set(xticks=middles, xticklabels=characters, yticks=middles, yticklabels=characters)
    ax.tick_params(
        top=True, labeltop=True, right=True, labelright=True, rotation=0, labelsize=13, labelfontfamily=MONOSPACE
    )
    figure.axes[1].yaxis.label.set_size(14)


def _short(count):
    return f"{count}" if count < 10_000 else f"{count / 1000:.0f}k"


def kind(character):
    return character.isdigit(), character.isupper()
