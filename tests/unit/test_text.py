"""Lines of text: `emnist.Reader.read` and `emnist read`."""

import csv
import io
import json
import time
import warnings

import numpy as np
import pytest
from PIL import Image, ImageDraw
from writing import dusty, write

from emnist import Reader
from emnist.cli import run_command
from emnist.reading.forms import TextWarning
from emnist.reading.segmentation import Piece, best_path, doubt_narrow_gaps
from emnist.reading.strokes import find_regions
from emnist.reading.text import find_lines
from emnist.utils.errors import UserError

DIGITS = "0123456789"


@pytest.fixture(scope="module")
def reader():
    return Reader()


def texts(lines):
    return [line.text for line in lines]


@pytest.mark.parametrize("degrees", [-2.5, 0, 2.5])
def test_lines_are_read_from_top_to_bottom_though_they_are_tilted(reader, degrees):
    page = write(["HAMBURG", "BERLIN", "KASSEL"]).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=235)
    assert texts(reader.read(page, characters="A-Z")) == ["HAMBURG", "BERLIN", "KASSEL"]


@pytest.mark.parametrize("size", [18, 56, 200])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_line_is_read_at_any_size_dark_on_light_or_light_on_dark(reader, size, inverted):
    picture = write([DIGITS], size=size, pitch=2 * size, margin=size)
    picture = picture.point(lambda level: 255 - level) if inverted else picture
    (line,) = reader.read(picture, characters="0-9")
    assert line.text == DIGITS and 0.3 < line.probability <= 1
    lefts = [character.box[0] for character in line.characters]
    assert lefts == sorted(lefts) and 0 < lefts[0] and line.characters[-1].box[2] < picture.width


@pytest.mark.parametrize("text", ["4", "72", DIGITS])
@pytest.mark.parametrize("margin", [0, 1, 4, 20])
def test_a_line_cut_out_close_to_its_strokes_is_read(reader, text, margin):
    levels = np.asarray(write([text], margin=60))
    rows, columns = (np.flatnonzero((levels < 128).any(axis=axis)) for axis in (1, 0))
    cut = levels[rows[0] - margin : rows[-1] + 1 + margin, columns[0] - margin : columns[-1] + 1 + margin]
    assert texts(reader.read(cut, characters="0-9")) == [text]


def test_words_are_parted_by_blanks_unless_the_alphabet_has_none(reader):
    picture = write(["BERLIN 47 253"])
    assert texts(reader.read(picture)) == texts(reader.read(picture, characters="A-Z2-7 ")) == ["BERLIN 47 253"]
    assert texts(reader.read(picture, characters="A-Z2-7")) == ["BERLIN47253"]


def test_touching_digits_are_parted(reader):
    left, right = (np.asarray(write([text], margin=0, pitch=80)) for text in "47")
    columns = [np.flatnonzero((each < 128).any(axis=0)) for each in (left, right)]
    left, right = (each[:, c[0] : c[-1] + 1] for each, c in zip((left, right), columns))
    sheet = np.full((180, 200), 235, np.uint8)
    sheet[50:130, 50 : 50 + left.shape[1]] = left
    at = 50 + left.shape[1] - 3
    np.minimum(sheet[50:130, at : at + right.shape[1]], right, out=sheet[50:130, at : at + right.shape[1]])
    assert texts(reader.read(sheet, characters="0-9")) == ["47"]


@pytest.mark.parametrize("column, width", [(5, 3), (6, 2), (9, 3)])
def test_a_broken_character_in_a_line_of_clear_gaps_is_joined(reader, column, width):
    parts = []
    for character in "BERLIN":
        levels = np.asarray(write([character]))
        columns = np.flatnonzero((levels < 128).any(axis=0))
        parts.append(np.pad(levels[:, columns[0] : columns[-1] + 1], ((0, 0), (7, 7)), constant_values=235))
    parts[0][:, 7 + column : 7 + column + width] = 235
    line = np.pad(np.hstack(parts), ((0, 0), (50, 50)), constant_values=235)
    assert texts(reader.read(line, characters="A-Z")) == ["BERLIN"]


def test_a_low_bar_belongs_to_the_character_that_it_is_broken_off():
    mask = np.zeros((100, 220), bool)
    for left, top in ((20, 40), (60, 36), (100, 36), (140, 36)):
        mask[top:70, left : left + 6] = True
    mask[32:36, 16:44] = True
    regions = find_regions(mask)
    (line,), _ = find_lines(regions)
    assert [main for main, _ in line] == [5, 2, 3, 4] and regions.boxes[line[0][1]].tolist() == [[16, 32, 44, 36]]


def test_a_gap_is_doubted_only_if_the_others_are_much_wider():
    def doubted(*gaps):
        lefts = np.cumsum([0, *(20 + gap for gap in gaps)])
        pieces = [Piece(np.ones((40, 20), np.float32), np.array([left, 0, left + 20, 40])) for left in lefts]
        return doubt_narrow_gaps(np.array([0.99] * len(gaps)), pieces, 40).tolist()

    assert doubted(9, 2, 9, 10) == [0.99, 0.5, 0.99, 0.99]
    assert doubted(9, 7, 9, 10) == doubted(1, 0, 2, 1) == 4 * [0.99]


def test_height_and_place_in_the_line_tell_the_case(reader):
    shown = [line.text for line in reader.read(write(["Xaver Zug", "VOWS vows"]), characters="A-Za-z ")]
    assert shown == ["Xaver Zug", "VOWS vows"]


def test_a_thick_dot_is_no_punch_hole(reader):
    draw = ImageDraw.Draw(picture := Image.new("L", (500, 200), 235))
    for x in (100, 160, 220, 280):
        draw.line((x, 90, x, 140), fill=30, width=11)
        draw.ellipse((x - 8, 58, x + 8, 74), fill=30)
    assert texts(reader.read(picture)) == ["iiii"]


def test_a_dot_belongs_to_its_letter_and_dust_to_none(reader):
    picture = np.array(write(["pin dim"]))
    picture[10:12, 20:22] = picture[-30:-28, -40:-38] = 30
    (line,) = reader.read(picture, characters="a-z")
    assert line.text == "pindim"


@pytest.mark.parametrize("paper", ["ruled", "desk", "shadow"])
def test_what_is_no_writing_is_left_out(reader, paper):
    levels = np.asarray(write([DIGITS])).astype(float)
    if paper == "ruled":
        levels[20::56] = levels[21::56] = 150
    elif paper == "desk":
        levels = np.pad(levels, ((60, 40), (90, 70)), constant_values=50)
    else:
        levels[:, 200:] *= 0.6
    assert texts(reader.read(levels.astype(np.uint8), characters="0-9")) == [DIGITS]


def blank(kind):
    rng = np.random.default_rng(0)
    levels = np.full((500, 600), 230.0)
    if kind == "noise":
        levels += rng.normal(0, 6, levels.shape)
    elif kind == "shadow":
        levels[:, 300:] *= 0.6
    elif kind == "ruled":
        levels[40::60] = levels[41::60] = 170
    elif kind == "desk":
        levels = np.pad(levels, ((60, 40), (90, 70)), constant_values=60)
    elif kind == "dark edge":
        levels[:, :45] = 45
    elif kind == "turned sheet":
        sheet = Image.new("L", (450, 360), 255).rotate(8, expand=True)
        levels = np.full_like(levels, 60)
        levels[: sheet.height, 80 : 80 + sheet.width][np.asarray(sheet) > 0] = 230
    elif kind == "thumb":
        ImageDraw.Draw(drawn := Image.fromarray(levels)).ellipse((500, 200, 640, 360), fill=90)
        levels = np.array(drawn)
    elif kind == "punch holes":
        ImageDraw.Draw(drawn := Image.fromarray(levels)).ellipse((40, 100, 90, 150), fill=40)
        levels = np.minimum(drawn, np.flipud(drawn))
    return levels.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "kind", ["white", "noise", "shadow", "ruled", "desk", "dark edge", "turned sheet", "thumb", "punch holes"]
)
def test_a_blank_page_is_refused_in_one_sentence(reader, kind):
    with pytest.raises(UserError, match="should show text, but none was found"):
        reader.read(blank(kind))


@pytest.mark.parametrize("size", [3, 20])
def test_a_page_of_dust_takes_bounded_time(reader, size):
    page = dusty(2000, 5000, size, np.random.default_rng(0))
    start = time.process_time()
    try:
        reader.read(page)
    except UserError:
        pass
    assert time.process_time() - start < 10  # wanted: 5 s of a core that does nothing else


def test_a_page_that_is_turned_is_told(reader):
    page = write(["HAMBURG 7254", "BERLIN 4567"])
    with pytest.warns(TextWarning, match="seems to be upside down: turn it by 180 degrees"):
        reader.read(page.rotate(180))
    for angle in (90, 270):
        with pytest.warns(TextWarning, match="seems to be on its side: turn it by 90 degrees"):
            reader.read(page.rotate(angle, expand=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error", TextWarning)
        reader.read(page)


def test_predict_says_where_a_picture_shows_several_characters(tmp_path, capsys):
    several, one = str(tmp_path / "several.png"), str(tmp_path / "one.png")
    write(["72541"]).save(several)
    write(["i"]).save(one)
    with pytest.raises(SystemExit) as ended:
        run_command("predict", [several, one, "--model", "handwriting", "--format", "jsonl"])
    printed = capsys.readouterr()
    assert not ended.value.code and printed.err == f"{several} shows 5 characters: `emnist read {several}` reads them\n"
    assert [json.loads(line)["file"] for line in printed.out.splitlines()] == [several, one]


def test_unknown_characters_are_question_marks(reader):
    (line,) = reader.read(write([DIGITS]), characters="0-9", min_probability=1.1)
    assert line.text == 10 * "?" and line.characters[3].probabilities[0][0] == "3"


def test_the_best_path_has_the_largest_sum():
    spans = [(0, 1), (0, 2), (1, 2), (2, 3)]
    assert best_path(3, spans, np.array([-1.0, -1.5, -1.0, -0.1])) == [1, 3]
    assert best_path(3, spans, np.array([-0.5, -1.5, -0.5, -0.1])) == [0, 2, 3]


def run_read(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command("read", [*arguments, "--model", "handwriting"])
    return ended.value.code, capsys.readouterr()


def test_the_command_reads_in_each_format(tmp_path, capsys):
    path = str(tmp_path / "page.png")
    write(["1975", "2038"]).save(path)
    outputs = {
        form: run_read([path, "--characters", "0-9", "--format", form], capsys)[1].out
        for form in ("text", "json", "jsonl", "csv")
    }
    assert outputs["text"] == f"{path}: 1975\n{path}: 2038\n"
    (page,) = json.loads(outputs["json"])
    assert json.loads(outputs["jsonl"]) == page and page["file"] == path
    assert [line["text"] for line in page["lines"]] == ["1975", "2038"]
    guesses = page["lines"][0]["characters"][1]["guesses"]
    assert len(guesses) == 3 and guesses[0]["character"] == "9" and len(page["lines"][0]["characters"][0]["box"]) == 4
    rows = list(csv.DictReader(io.StringIO(outputs["csv"])))
    assert list(rows[0]) == ["file", "field", "line", "text", "probability"]
    assert [(row["line"], row["text"]) for row in rows] == [("1", "1975"), ("2", "2038")]


def test_a_folder_is_read_and_what_cannot_be_read_is_reported(tmp_path, capsys):
    write(["1975"]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    Image.new("L", (300, 200), 255).save(tmp_path / "c.png")
    code, printed = run_read([str(tmp_path), "--characters", "0-9"], capsys)
    assert code and printed.out == f"{tmp_path / 'a.png'}: 1975\n"
    assert printed.err.count("error: ") == 2 and "c.png should show text" in printed.err
