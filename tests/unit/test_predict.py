"""Pictures of one character, as people and programs have them."""

import io
import typing
from pathlib import Path

import numpy as np
import pytest
from glyphs import glyph, on_a_wooden_table, on_paper
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin
from scipy import ndimage

import emnist
from emnist.data.convert import convert
from emnist.reading.ink import find_character, is_light_on_dark
from emnist.reading.pictures import read_character
from emnist.reading.reader import Prediction
from emnist.reading.strokes import find_regions, largest_distance, run_lengths
from emnist.utils.errors import UserError


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def photographed(image, rng):
    """A light that falls off to one side, and the camera's noise."""
    levels = np.asarray(image, float)
    light = 1 - 0.6 * np.linspace(0, 1, levels.shape[1]) - 0.1 * np.linspace(0, 1, levels.shape[0])[:, None]
    return Image.fromarray((levels * light + rng.normal(0, 5, levels.shape)).clip(0, 255).astype(np.uint8))


def transparent(image, shade):
    ink = Image.new("L", image.size, shade)
    return Image.merge("RGBA", (ink, ink, ink, image))


def rounded_corners(image):
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *image.size), 40, fill=255)
    return Image.merge("RGBA", (image, image, image, mask))


def turned(image):
    """A photograph by a camera that was turned, of which it tells."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise
    return saved(image.transpose(Image.Transpose.ROTATE_90), format="jpeg", exif=exif)


def red_on_green_as_bright(mask):
    mask = np.asarray(mask)[..., None] / 255
    return Image.fromarray(np.uint8((1 - mask) * [0, 130, 0] + mask * [255, 0, 0]))


def several(image, format):
    """A file of several frames."""
    return saved(image, format=format, save_all=True, append_images=[image.rotate(90)] * 3)


def cut_close(image):
    return image.crop(image.point(lambda level: 255 * (level < 200)).getbbox())


def pasted(image, size):
    canvas = Image.new("L", size)
    canvas.paste(image, (size[0] // 3, 40))
    return canvas


def with_specks(image):
    draw = ImageDraw.Draw(image)
    for x, y in (10, 10), (280, 390), (20, 300):
        draw.ellipse((x, y, x + 5, y + 5), fill=0)
    return image


DARK = on_paper(glyph())
RED_ON_CREAM = [(250, 180), (240, 30), (220, 40)]

PICTURES = {
    "light on dark": lambda: glyph(),
    "dark on light": lambda: DARK,
    "pencil": lambda: on_paper(glyph(), paper=200, ink=150),
    "large": lambda: on_paper(glyph().resize((1800, 2400))),
    "small": lambda: on_paper(glyph().resize((45, 60))),
    "far away": lambda: on_paper(pasted(glyph(90, 120, 8), (500, 700))),
    "off centre": lambda: on_paper(pasted(glyph(), (900, 500))),
    "cut close": lambda: cut_close(DARK),
    "photograph": lambda: photographed(DARK, np.random.default_rng(0)),
    "photographed blackboard": lambda: photographed(on_paper(glyph(), 70, 220), np.random.default_rng(0)),
    "turned photograph": lambda: turned(DARK),
    "dusty": lambda: with_specks(on_paper(glyph())),
    "colour": lambda: Image.merge("RGB", [on_paper(glyph(), *levels) for levels in RED_ON_CREAM]),
    "colour as bright as its paper": lambda: red_on_green_as_bright(glyph()),
    "palette": lambda: DARK.quantize(16),
    "black and white": lambda: DARK.convert("1", dither=Image.Dither.NONE),
    "12 of 16 bits": lambda: Image.fromarray(np.asarray(DARK).astype(np.uint16) * 16 + 1000),
    "black on transparent": lambda: transparent(glyph(), 0),
    "white on transparent": lambda: transparent(glyph(), 255),
    "rounded corners": lambda: rounded_corners(DARK),
    "CMYK JPEG": lambda: saved(DARK.convert("CMYK"), format="jpeg"),
    "CMYK TIFF": lambda: saved(DARK.convert("CMYK"), format="tiff"),
    "animated GIF": lambda: several(DARK, "gif"),
    "animated PNG": lambda: several(DARK, "png"),
    "TIFF of several pages": lambda: several(DARK, "tiff"),
    "fax": lambda: saved(DARK.convert("1", dither=Image.Dither.NONE), format="tiff", compression="group4"),
    "progressive JPEG of 12 megapixels": lambda: saved(DARK.resize((3000, 4000)), format="jpeg", progressive=True),
    "JPEG without its last byte": lambda: saved(DARK, format="jpeg")[:-1],
    "JPEG without its last 100 bytes": lambda: saved(DARK, format="jpeg")[:-100],
}


@pytest.fixture(scope="module")
def expected():
    return read_character(glyph())


def likeness(first, second):
    return np.corrcoef(read_character(first).ravel(), read_character(second).ravel())[0, 1]


@pytest.mark.parametrize("kind", PICTURES)
def test_one_character_is_read_the_same_from_any_picture_of_it(kind, tmp_path):
    picture, path = PICTURES[kind](), tmp_path / "four"
    path.write_bytes(picture if isinstance(picture, bytes) else saved(picture, format="png"))
    character = read_character(path)
    assert character.shape == (28, 28) and character.dtype == np.uint8
    assert np.array_equal(character, read_character(path.read_bytes())) and likeness(path, glyph()) > 0.93


def test_character_is_upright_white_on_black_and_fills_24_pixels(expected):
    rows, columns = np.flatnonzero(expected.max(axis=1)), np.flatnonzero(expected.max(axis=0))
    assert (rows[0], rows[-1]) == (2, 25)
    assert abs(columns[0] - (27 - columns[-1])) <= 1
    # A 4 is open at the top, and stands on one leg to the right.
    above, below = expected[2:8], expected[20:26]
    assert above[:, 4:8].max() == below[:, 4:14].max() == 0 < 200 < below[:5, 14:20].max(axis=1).min()


def test_heavy_stroke_cut_close_is_not_taken_for_the_paper():
    heavy = on_paper(glyph(stroke=75))
    assert likeness(heavy, cut_close(heavy)) > 0.93


def test_fine_pen_leaves_full_strokes(expected):
    assert read_character(on_paper(glyph(stroke=3))).mean() > 0.5 * expected.mean()


def camera(levels):
    blurred = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    return (np.asarray(blurred) + np.random.default_rng(0).normal(0, 4, levels.shape)).clip(0, 255).astype(np.uint8)


def sheet_on_a_desk(levels):
    return np.pad(levels, ((90, 60), (110, 140)), constant_values=50)


def with_dark_edge(levels):
    return np.pad(levels, ((0, 0), (40, 0)), constant_values=45)


def with_shadow_edge(levels):
    y, x = np.indices(levels.shape)
    return np.where(x + 0.4 * y > 260, 0.5 * levels, levels)


def with_vignetting(levels):
    y, x = (np.linspace(-1, 1, side) for side in levels.shape)
    return levels * (1 - 0.5 * np.hypot(y[:, None], x))


def on_ruled_paper(levels):
    lines = np.arange(levels.shape[0]) % 60 < 3
    return np.minimum(levels, np.where(lines, 165, 255)[:, None])


def on_squared_paper(levels):
    return on_ruled_paper(on_ruled_paper(levels).T).T


def on_paper_ruled_askew(levels):
    y, x = np.indices(levels.shape)
    return np.minimum(levels, np.where((y - 0.03 * x) % 60 < 3, 165, 255))


def framed(levels):
    levels = np.pad(levels, 50, constant_values=235)
    inner = np.pad(np.zeros(np.subtract(levels.shape, 60)), 8, constant_values=1)
    return np.where(np.pad(inner, 22) > 0, 60, levels)


def ringed(levels):
    """In a thin, paler ring, which weighs less than the character."""
    y, x = np.indices(levels.shape)
    radius = np.hypot(y - 142, x - 240)
    return np.where(abs(radius - 115) < 1.5, 110, levels)


def far_away(levels):
    return np.pad(
        np.asarray(Image.fromarray(levels).resize((150, 167))), ((1800, 2033), (1400, 1450)), constant_values=235
    )


PHOTOGRAPHS = [
    sheet_on_a_desk,
    with_dark_edge,
    with_shadow_edge,
    with_vignetting,
    on_ruled_paper,
    on_squared_paper,
    on_paper_ruled_askew,
    framed,
    ringed,
    far_away,
    on_a_wooden_table,
]


@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_a_photograph_shows_the_character_and_not_what_lies_around_it(photograph):
    levels = np.asarray(on_paper(pasted(glyph(150, 200, 14), (450, 500))))
    assert likeness(camera(photograph(levels)), glyph()) > 0.9


@pytest.mark.parametrize("photograph", [lambda levels: levels, *PHOTOGRAPHS[:7]])
def test_a_blank_page_is_refused(photograph):
    with pytest.raises(UserError, match="should show a character, but none was found"):
        read_character(camera(photograph(np.full((500, 450), 235, np.uint8))))


def test_a_black_speck_beside_pencil_writing_changes_nothing():
    levels = np.array(on_paper(pasted(glyph(150, 200, 14), (450, 500)), 235, 165))
    levels[20, 20] = 0
    assert likeness(levels, glyph()) > 0.9


@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000)], ids=["wide", "high"])
def test_a_line_of_pixels_is_read_or_refused_in_one_sentence(size):
    picture = np.full(size, 255, np.uint8)
    picture[size[0] // 3 : size[0] // 2 + 1, size[1] // 3 : size[1] // 2 + 1] = 0
    assert read_character(picture).shape == (28, 28)
    with pytest.raises(UserError, match="none was found"):
        read_character(np.full(size, 255, np.uint8))


def test_a_picture_that_unpacks_without_end_is_refused():
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * 5_000_000, zip=True)
    with pytest.raises(UserError, match="cannot be read"):
        read_character(saved(glyph(), format="png", pnginfo=info))


GIVEN = {  # the picture of a file, as a program may have it
    "str": str,
    "Path": lambda path: path,
    "bytes": lambda path: path.read_bytes(),
    "open file": lambda path: io.BytesIO(path.read_bytes()),
    "Pillow image": Image.open,
    "grey array": lambda path: np.asarray(Image.open(path)),
    "RGB array": lambda path: np.asarray(Image.open(path).convert("RGB")),
    "RGBA array": lambda path: np.asarray(Image.open(path).convert("RGBA")),
    "array of float": lambda path: np.asarray(Image.open(path)) / 255,
    "array of int": lambda path: np.asarray(Image.open(path)).astype(int) * 300,
}


@pytest.mark.parametrize("given_as", GIVEN)
def test_a_picture_is_read_the_same_however_it_is_given(given_as, expected, tmp_path):
    path = tmp_path / "four.png"
    glyph().save(path)
    assert np.array_equal(read_character(GIVEN[given_as](path)), expected)
    (one,) = emnist.Reader("lenet").predict(GIVEN[given_as](path))  # a single picture is taken as a list of one
    assert one.character == "4"


def test_as_many_characters_are_predicted_as_pictures_are_given():
    reader, pixels = emnist.Reader("lenet"), np.asarray(DARK)
    assert [each.character for each in reader.predict(np.stack([pixels, pixels]))] == ["4", "4"]
    assert reader.predict([]) == reader.predict(iter([])) == []


def test_type_checkers_find_what_a_prediction_holds():
    assert typing.get_type_hints(emnist.Reader.predict)["return"] == list[Prediction]
    assert typing.get_type_hints(Prediction)["probabilities"] == list[tuple[str, float]]
    assert (Path(emnist.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize(
    "picture, sentence",
    [
        (np.zeros((0, 5)), "has no pixels"),
        (Image.new("L", (0, 0)), "has no pixels"),
        (np.zeros((9, 9, 2), np.uint8), r"but is \(9, 9, 2\) of uint8"),
        (np.zeros((9, 9), complex), r"but is \(9, 9\) of complex128"),
        (np.full((9, 9), np.nan), "none was found"),
        (np.zeros(9), r"but is \(9,\) of float64"),
        (7, "should be a path, bytes, an open file, an array or a Pillow image, but is int"),
        (b"", "is none of PNG"),
        ("/dev/zero", "/dev/zero should be a file, but is a folder, pipe or device"),
        ("a\0b", r"a\\x00b should be an image, but cannot be read"),
        ("\x1b[31mred\u202e\n", r"^\\x1b\[31mred\\u202e\\n is missing"),
    ],
    ids=range(11),
)
def test_what_is_no_picture_of_a_character_is_refused_in_one_sentence(picture, sentence):
    with pytest.raises(UserError, match=sentence):
        read_character(picture)


sides = st.integers(1, 40)


@given(arrays(np.uint8, st.tuples(sides, sides), elements=st.sampled_from([0, 9, 60, 120, 255])))
@settings(derandomize=True, max_examples=100)
def test_any_picture_holds_ink_or_nothing(levels):
    ink, box = find_character(levels)
    assert (ink is None and box is None) or convert(np.uint8(255 * ink)).max() == 255


def check_regions(mask):
    regions = find_regions(mask)
    expected, number = ndimage.label(mask, np.ones((3, 3)))
    pairs = set(zip(regions.labels[mask].tolist(), expected[mask].tolist(), strict=True))
    assert len(pairs) == number == regions.labels.max()
    return regions


@given(arrays(bool, st.tuples(sides, sides)))
@settings(derandomize=True, max_examples=100)
def test_regions_runs_and_distances_are_those_of_scipy(mask):
    regions = check_regions(mask)
    for label, (down, across) in enumerate(ndimage.find_objects(regions.labels), 1):
        assert regions.boxes[label].tolist() == [across.start, down.start, across.stop, down.stop]
        assert regions.areas[label] == (regions.labels == label).sum()
    rows, _ = ndimage.label(mask, [[0, 0, 0], [1, 1, 1], [0, 0, 0]])
    assert np.array_equal(run_lengths(mask), np.where(mask, np.bincount(rows.ravel())[rows], 0))
    framed = np.pad(mask, 1)
    for limit in (1, 4, 50):
        assert largest_distance(framed, limit) == min(ndimage.distance_transform_edt(framed).max(), limit)


@pytest.mark.parametrize("density", [0.2, 0.4, 0.6])
def test_regions_of_a_large_picture_are_those_of_scipy(density):
    check_regions(np.random.default_rng(0).random((512, 512)) < density)


def test_strokes_that_are_wider_than_the_gaps_between_them_are_ink_all_the_same():
    eight = Image.new("L", (280, 280), 255)
    for box in ((70, 20, 210, 140), (60, 120, 220, 260)):
        ImageDraw.Draw(eight).ellipse(box, outline=0, width=50)
    assert not is_light_on_dark(np.asarray(eight)) and is_light_on_dark(255 - np.asarray(eight))
