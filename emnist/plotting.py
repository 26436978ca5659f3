"""The figures: colours the colour-blind tell apart, nothing said by colour alone, reproducible bytes."""

import io

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from sklearn.metrics import confusion_matrix

from emnist.files import write_bytes
from emnist.metrics import most_confused

BLUE, ORANGE, GREEN, RED, *_ = sns.color_palette("colorblind").as_hex()
GREY = "0.55"
MONOSPACE = "DejaVu Sans Mono"  # comes with matplotlib, and tells 0 from O and 1, I and l apart
DPI = 100

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
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
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
    middles = np.arange(len(characters)) + 0.5
    ax.set(xticks=middles, xticklabels=characters, yticks=middles, yticklabels=characters)
    for edge in [i for i in range(1, len(characters)) if _kind(characters[i]) != _kind(characters[i - 1])]:
        ax.axhline(edge, color=GREY, linewidth=1)
        ax.axvline(edge, color=GREY, linewidth=1)
    ax.tick_params(top=True, labeltop=True, right=True, labelright=True, rotation=0, labelsize=13,
                   labelfontfamily=MONOSPACE)
    figure.axes[1].yaxis.label.set_size(14)
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
    figure = Figure(figsize=(1.45 * columns, 1.65 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
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
    figure = Figure(figsize=(columns + 0.5, rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
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
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
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
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title)
    _save(path, figure)


def _short(count):
    return f"{count}" if count < 10_000 else f"{count / 1000:.0f}k"


def _kind(character):
    return character.isdigit(), character.isupper()


def _draw_character(ax, image, colour, linewidth):
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, edgecolor=colour, linewidth=linewidth)


def _save(path, figure):
    """Write a figure as a PNG of at most 256 colours, a third of the size, without matplotlib's version."""
    rendered, png = io.BytesIO(), io.BytesIO()
    figure.savefig(rendered, format="png", dpi=DPI)
    picture = Image.open(rendered).convert("RGB")
    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture.save(png, format="png", optimize=True)
    write_bytes(path, png.getvalue())
