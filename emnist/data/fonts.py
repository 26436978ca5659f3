"""The handwriting fonts that come with the extra `train`."""

import functools
import unicodedata
from importlib import resources
from pathlib import Path

# The files of the fonts, and the packages that hold them. Variable fonts are used at their lightest weight, because the
# writer decides the width of the pen.
FONTS = {
    "AmaticSC-Regular.ttf": "font_amatic_sc",
    "Caveat[wght].ttf": "fontpkg_caveat",
    "DancingScript[wght].ttf": "fontpkg_dancing_script",
    "Delius-Regular.ttf": "fontpkg_delius",
    "IndieFlower-Regular.ttf": "fontpkg_indie_flower",
    "Kalam-Light.ttf": "fontpkg_kalam",
    "PermanentMarker-Regular.ttf": "fontpkg_permanent_marker",
    "Satisfy-Regular.ttf": "fontpkg_satisfy",
    "ShadowsIntoLight.ttf": "fontpkg_shadows_into_light",
    "Zeyada.ttf": "fontpkg_zeyada",
}
VIRAMA = 9  # the combining class of signs that join the letter before with the one after, as in Devanagari


def font_path(file):
    """Return the path (str) of a file of `FONTS`."""
    return str(Path(str(resources.files(FONTS[file]))) / "files" / file)


@functools.cache
def code_points(path):
    """List the code points (frozenset of int) for which the font in a file has a glyph."""
    from matplotlib.ft2font import FT2Font  # not every user of this module needs it

    return frozenset(FT2Font(path).get_charmap())


def is_one_character(text):
    """Tell whether a text is written as one character: a letter or sign, with its marks and what a virama joins."""
    kinds = [unicodedata.category(character)[0] for character in text]
    joined = sum(unicodedata.combining(character) == VIRAMA for character in text)
    return kinds[0] != "M" and sum(kind not in "MC" for kind in kinds) <= 1 + joined
