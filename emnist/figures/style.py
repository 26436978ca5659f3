"""Style of all figures: colours for colour-blind readers, and reproducible PNG files."""

import io
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from emnist.utils.atomic import write_bytes

BLUE, ORANGE, GREEN, RED, *_ = sns.color_palette("colorblind").as_hex()
GREY = "0.55"
MONOSPACE = "DejaVu Sans Mono"  # comes with matplotlib; 0 and O differ, and 1, I and l do
# "default" first, so that a user's matplotlibrc does not change the figures.
styled = plt.style.context(
    [
        "default",
        {"font.size": 11, "axes.spines.right": False, "axes.spines.top": False},
    ]
)


def legend(figure, ax, columns, title=None):
    """Draw one legend below all panels.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    ax : matplotlib.axes.Axes
        The panel from which the labels are taken.
    columns : int
    title : str, optional
    """
    figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", ncols=columns, frameon=False, title=title
    )


def wrap_titles(figure):
    """Break the titles (of a matplotlib.figure.Figure and its panels) that are wider than it into several lines."""
    titles = [figure.suptitle(figure.get_suptitle()), *(ax.title for ax in figure.axes)]
    for title in titles:
        lines = title.get_text().split("\n")
        for columns in range(max(map(len, lines)), 20, -1):
            if title.get_window_extent().width < 0.89 * figure.bbox.width:  # as a panel's middle is not the figure's
                break
            title.set_text("\n".join(textwrap.fill(line, columns) for line in lines))


def save(path, figure):
    """Write a figure as a PNG with a palette of 256 colours and without metadata.

    The palette makes the file a third of the size; metadata would contain matplotlib's version.

    Parameters
    ----------
    path : path-like
    figure : matplotlib.figure.Figure
    """
    wrap_titles(figure)
    canvas, png = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    try:
        picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    except ValueError as error:  # of a picture like this, Pillow refuses only one for which it gets no memory
        raise MemoryError from error
    picture.save(png, format="png", optimize=True)
    write_bytes(path, png.getvalue())
