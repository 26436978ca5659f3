"""Grids of characters."""

from matplotlib.figure import Figure

from emnist.figures.style import BLUE, MONOSPACE, RED, save, styled


@styled
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
    for ax in axes[len(images) :]:
        ax.set_axis_off()
    for ax, image, truth, character, probability in zip(axes, images, actual, predicted, confidence):
        right = truth == character
        _draw_character(ax, image, "0.8" if right else RED, 1 if right else 3.5)
        read = f"{character} {probability:.0%}"
        ax.set_title(
            read if right else f"✗ {read}, is {truth}",
            fontfamily=MONOSPACE,
            fontsize=10,
            color="black" if right else RED,
            fontweight="normal" if right else "bold",
        )
    figure.suptitle(title)
    save(path, figure)


@styled
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
    save(path, figure)


def _grid(rows, columns, *, width, height, head, left=0.0):
    """Make a figure of places for characters, of so many inches, which takes a fifth of a constrained layout's time."""
    size = left + width * columns, height * rows + head
    figure = Figure(figsize=size)
    return figure, figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": (left + 0.05) / size[0],
            "right": 1 - 0.05 / size[0],
            "bottom": 0.05 / size[1],
            "top": 1 - head / size[1],
            "wspace": 0.12 / width,
            "hspace": 0.35 - 0.25 / height,
        },
    )


def _draw_character(ax, image, colour, linewidth):
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, edgecolor=colour, linewidth=linewidth)
