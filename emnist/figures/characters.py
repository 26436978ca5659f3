"""Figures of predictions and of augmented images."""

from matplotlib.figure import Figure

from emnist.figures.style import BLUE, MONOSPACE, RED, save, styled


@styled
def prediction_grid(path, images, actual, predicted, confidence, title, columns=8):
    """Draw characters with their predictions; a wrong one has a cross, a thick frame and the true character.

    Parameters
    ----------
    path : path-like
        The PNG to write.
    images : (N, 28, 28) array of float
        Stroke intensity, 0 to 1.
    actual, predicted : sequences of N characters
        True and predicted characters.
    confidence : sequence of N floats
        The probability of the predicted character, 0 to 1.
    title : str
    columns : int
        Number of characters in a row.
    """
    rows = -(-len(images) // columns)
    figure, axes = _grid(rows, columns, width=1.45, height=1.65, header=1.05)
    axes = axes.flat
    for ax in axes[len(images) :]:
        ax.set_axis_off()
    for ax, image, truth, character, probability in zip(axes, images, actual, predicted, confidence):
        correct = truth == character
        _draw_character(ax, image, "0.8" if correct else RED, 1 if correct else 3.5)
        prediction = f"{character} {probability:.0%}"
        ax.set_title(
            prediction if correct else f"✗ {prediction}, is {truth}",
            fontfamily=MONOSPACE,
            fontsize=10,
            color="black" if correct else RED,
            fontweight="normal" if correct else "bold",
        )
    figure.suptitle(title)
    save(path, figure)


@styled
def augmentation_grid(path, images, characters, title):
    """Draw a character and augmented copies of it in each row.

    Parameters
    ----------
    path : path-like
        The PNG to write.
    images : (rows, columns, 28, 28) array of float
        Stroke intensity, 0 to 1; the first column holds the originals.
    characters : sequence of str
        The character of each row.
    title : str
    """
    rows, columns = images.shape[:2]
    figure, axes = _grid(rows, columns, width=1, height=1, header=0.9, left=0.5)
    for ax, image in zip(axes.flat, images.reshape(-1, *images.shape[2:])):
        _draw_character(ax, image, "0.8", 1)
    for ax, character in zip(axes[:, 0], characters, strict=True):
        ax.set_ylabel(character, rotation=0, va="center", labelpad=12, fontfamily=MONOSPACE, fontsize=14)
        ax.spines[:].set(edgecolor=BLUE, linewidth=3)
    axes[0, 0].set_title("original", color=BLUE, fontsize=11)
    figure.suptitle(title)
    save(path, figure)


def _grid(rows, columns, *, width, height, header, left=0.0):
    """Create a figure with a grid of axes; all sizes are in inches.

    Fixed margins take a fifth of the time of a constrained layout.
    """
    size = left + width * columns, height * rows + header
    figure = Figure(figsize=size)
    return figure, figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": (left + 0.05) / size[0],
            "right": 1 - 0.05 / size[0],
            "bottom": 0.05 / size[1],
            "top": 1 - header / size[1],
            "wspace": 0.12 / width,
            "hspace": 0.35 - 0.25 / height,
        },
    )


def _draw_character(ax, image, colour, linewidth):
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, edgecolor=colour, linewidth=linewidth)
