"""The style of all figures: colours that colour-blind readers can tell apart, and reproducible bytes."""

import io

import matplotlib.pyplot as plt
import seaborn as sns
from PIL import Image

from emnist.utils.atomic import write_bytes

BLUE, ORANGE, GREEN, RED, *_ = sns.color_palette("colorblind").as_hex()
GREY = "0.55"
MONOSPACE = "DejaVu Sans Mono"  # comes with matplotlib, and tells 0 from O and 1, I and l apart
DPI = 100
# "default" first: a person's own matplotlibrc must not change the bytes.
styled = plt.style.context(
    [
        "default",
        {"font.size": 11, "axes.spines.right": False, "axes.spines.top": False},
    ]
)


def legend(figure, ax, columns, title=None):
    """Say below all panels, once, what one of them names."""
    figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", ncols=columns, frameon=False, title=title
    )


def save(path, figure):
    """Write a figure as a PNG of at most 256 colours, a third of the size, without matplotlib's version."""
    rendered, png = io.BytesIO(), io.BytesIO()
    figure.savefig(rendered, format="png", dpi=DPI)
    picture = Image.open(rendered).convert("RGB")
    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture.save(png, format="png", optimize=True)
    write_bytes(path, png.getvalue())
