"""Style of all figures: colours for colour-blind readers, and reproducible PNG files."""

import io
import logging
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from emnist.data.fonts import FONTS, code_points, font_path
from emnist.utils.atomic import write_bytes

BLUE, ORANGE, GREEN, RED, *_ = sns.color_palette("colorblind").as_hex()
GREY = "0.55"
MONOSPACE = "DejaVu Sans Mono"  # comes with matplotlib, and shows 0 unlike O, and 1, I and l unlike each other
# "default" comes first, so that a user's matplotlibrc does not change the figures.
styled = plt.style.context(["default", {"font.size": 11, "axes.spines.right": False, "axes.spines.top": False}])


def label_font(labels):
    """Choose font families (str or list of str), in the order of preference, that together show all labels (of str)."""
    own = [font_manager.findfont(name) for name in (MONOSPACE, "DejaVu Sans")]
    missing = {ord(character) for label in labels for character in label} - code_points(own[0])
    families = [MONOSPACE]
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it warns of a font that has one weight
    for path in (own[1], *map(font_path, FONTS)):
        if missing & code_points(path):
            font_manager.fontManager.addfont(path)
            families.append(font_manager.FontProperties(fname=path).get_name())
            missing -= code_points(path)
    return families if len(families) > 1 else MONOSPACE


def legend(figure, ax, columns, title=None):
    """Draw one legend in columns (int) below all panels of a figure, with the labels of one of its axes."""
    labels = ax.get_legend_handles_labels()
    figure.legend(*labels, loc="outside lower center", ncols=columns, frameon=False, title=title)


def wrap_titles(figure, title):
    """Set the title of a matplotlib.figure.Figure, and break the titles that are wider than it into several lines."""
    titles = [figure.suptitle(title), *(ax.title for ax in figure.axes)]
    for title in titles:
        lines = title.get_text().split("\n")
        for columns in range(max(map(len, lines)), 20, -1):
            # The middle of a panel is not that of the figure, so a title needs more room than its width.
            if title.get_window_extent().width < 0.89 * figure.bbox.width:
                break
            title.set_text("\n".join(textwrap.fill(line, columns) for line in lines))


def save(path, figure, title=""):
    """Write a matplotlib figure, with a title above its panels, as a PNG of 256 colours without metadata.

    The palette makes the file a third of the size; metadata would contain matplotlib's version.
    """
    wrap_titles(figure, title)
    canvas, png = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    try:
        picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    except ValueError as error:  # Pillow raises it for a picture like this only if it gets no memory.
        raise MemoryError from error
    picture.save(png, format="png", optimize=True)
    write_bytes(path, png.getvalue())
