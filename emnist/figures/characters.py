"""Figures of predictions and of augmented images: each function writes a PNG to `path`, under `title`."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from emnist.figures.style import BLUE, RED, label_font, save, styled


@styled
def prediction_grid(path, images, actual, predicted, confidence, title):
    """Draw characters with their predictions; a wrong one has a cross, a thick frame and the true character.

    Parameters
    ----------
    images : (N, 28, 28) array of float
        Stroke intensity, 0 to 1.
    actual, predicted : sequences of N characters
        True and predicted characters.
    confidence : sequence of N floats
        The probability of the predicted character, 0 to 1.
    """
    columns = 8
    rows = -(-len(images) // columns)
    figure, ax = _sheet(1.45 * columns, 1.65 * rows + 1.05)
    font = label_font(["✗", *actual, *predicted])
    for i, (image, truth, character, probability) in enumerate(zip(images, actual, predicted, confidence)):
        x, y, side = 0.06 + 1.45 * (i % columns), 1.06 + 1.68 * (i // columns), 1.33
        text, frame, style = f"{character} {probability:.0%}", ("0.8", 1), {"color": "black"}
        if truth != character:
            text, frame, style = f"✗ {text}, is {truth}", (RED, 3.5), {"color": RED, "fontweight": "bold"}
        _draw_character(ax, image, x, y, side, *frame)
        ax.text(x + side / 2, y - 0.08, text, ha="center", fontfamily=font, fontsize=10, **style)
    save(path, figure, title)


@styled
def augmentation_grid(path, images, characters, title):
    """Draw a character and augmented copies of it in each row.

    Parameters
    ----------
    images : (rows, columns, 28, 28) array of float
        Stroke intensity, 0 to 1; the first column holds the originals.
    characters : sequence of str
        The character of each row.
    """
    rows, columns = images.shape[:2]
    figure, ax = _sheet(columns + 0.5, rows + 0.9)
    style = {"fontfamily": label_font(characters), "fontsize": min(14, 28 / max(map(len, characters)))}
    for row, (copies, character) in enumerate(zip(images, characters, strict=True)):
        y = 0.85 + row
        for column, image in enumerate(copies):
            _draw_character(ax, image, 0.56 + column, y, 0.88, *(("0.8", 1) if column else (BLUE, 3)))
        ax.text(0.28, y + 0.44, character, ha="center", va="center", **style)
    ax.text(1, 0.78, "original", ha="center", color=BLUE, fontsize=11)
    save(path, figure, title)


def _sheet(width, height):
    """Create a figure of a size in inches, and axes all over it whose unit is the inch, from the upper left corner.

    Axes for each character would take several times as long.
    """
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    ax.set_axis_off()
    return figure, ax


def _draw_character(ax, image, x, y, side, colour, linewidth):
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1, extent=(x, x + side, y + side, y), aspect="auto")
    ax.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=colour, linewidth=linewidth))
