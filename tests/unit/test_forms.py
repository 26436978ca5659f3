"""Forms: fields that a table describes, and boxes that are found."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from writing import PAPER, as_table, form

from emnist import Reader
from emnist.cli import run_command
from emnist.reading.forms import TextWarning, find_page
from emnist.utils.errors import UserError

TEXTS = ["314", "2026", "", "88"]
SHARED = Path(__file__).parents[2] / "../shared/data/forms"


@pytest.fixture(scope="module")
def reader():
    return Reader()


@pytest.fixture
def table(tmp_path):
    """Write a table of the fields of the form, as CSV, and give its path."""

    def write(text=None, encoding="utf-8"):
        path = tmp_path / "fields.csv"
        path.write_text(as_table(form(TEXTS)[1]) if text is None else text, encoding=encoding)
        return path

    return write


def moved(image, degrees=0, right=0, down=0):
    image = image.transform(image.size, Image.Transform.AFFINE, (1, 0, -right, 0, 1, -down), fillcolor=PAPER)
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=PAPER)


def texts(lines):
    return [line.text for line in lines]


@pytest.mark.parametrize("degrees, right, down", [(0, 0, 0), (3, 0, 0), (-3, 0, 0), (1, 25, -12)])
def test_fields_are_read_though_the_scan_is_shifted_or_turned(reader, table, degrees, right, down):
    lines = reader.read(moved(form(TEXTS)[0], degrees, right, down), fields=table())
    assert texts(lines) == TEXTS and [line.field for line in lines] == ["field1", "field2", "field3", "field4"]


def test_boxes_and_combs_are_found_in_reading_order(reader):
    image, _ = form(TEXTS, comb="40729")
    for degrees in (0, 2):
        assert texts(reader.read(moved(image, degrees), characters="0-9", boxes=True)) == [*TEXTS, "40729"]


def test_boxes_lie_where_they_are_drawn():
    image, fields = form(TEXTS)
    found = find_page(image).boxes
    drawn = np.array([(left, top, left + width, top + height) for left, top, width, height in fields])
    assert len(found) == 4 and np.abs(found[np.lexsort(found[:, :2].T)] - drawn[np.lexsort(drawn[:, :2].T)]).max() < 5


def test_lines_of_a_box_go_and_what_crosses_them_stays(reader, table):
    image, fields = form(TEXTS)
    lowered = [(left, top + 30, width, height - 30 - 12) for left, top, width, height in fields]
    pixels = np.array(image)
    for left, top, width, height in lowered:  # the lower line now runs through the feet of the digits
        pixels[top + height - 8 : top + height - 5, left : left + width] = 40
    through = [(left, top - 30, width, height + 24) for left, top, width, height in lowered]
    assert texts(reader.read(pixels, fields=table(as_table(through)))) == TEXTS


def test_digits_that_cross_the_right_line_of_a_short_box_are_read(reader, table):
    texts_of_two = ["25", "70", "38", "64"]
    image, fields = form(texts_of_two, width=86)
    assert texts(reader.read(image, fields=table(as_table(fields)))) == texts_of_two


@pytest.mark.parametrize("scale", [0.6, 1.3])
def test_a_scan_may_have_another_resolution_than_the_table(reader, table, scale):
    image = form(TEXTS)[0]
    scaled = image.resize([round(scale * side) for side in image.size], Image.Resampling.BICUBIC)
    assert texts(reader.read(moved(scaled, 1, 10, 5), fields=table())) == TEXTS


def test_a_field_of_the_table_may_be_a_comb(reader, table):
    image, fields = form(TEXTS, comb="40729")
    comb = 60, image.height - 150, 5 * 70, 90
    assert texts(reader.read(moved(image, 1), fields=table(as_table([*fields, comb])))) == [*TEXTS, "40729"]


def test_ticks_on_the_lower_line_are_no_characters(reader, table):
    image, fields = form(TEXTS, width=280)
    for left, top, width, height in fields:
        for part in range(1, 4):
            at = left + part * width // 4
            ImageDraw.Draw(image).line((at, top + height - 18, at, top + height), fill=40, width=3)
    assert texts(reader.read(image, fields=table(as_table(fields)))) == TEXTS


@pytest.mark.parametrize("level, width", [(40, 1), (210, 3)])
def test_boxes_with_thin_or_pale_lines_are_found(level, width):
    image, fields = form(TEXTS, line=0)
    for left, top, across, down in fields:
        ImageDraw.Draw(image).rectangle((left, top, left + across, top + down), outline=level, width=width)
    noise = np.random.default_rng(0).normal(0, 3, image.size[::-1])
    assert len(find_page(Image.fromarray((image + noise).clip(0, 255).astype(np.uint8))).boxes) == 4


def test_a_field_without_boxes_is_read_where_the_table_has_it(reader, table):
    image, fields = form(TEXTS, line=0)
    assert texts(reader.read(image, fields=table(as_table(fields)))) == TEXTS


def test_boxes_that_lie_otherwise_are_told(reader, table):
    image, fields = form(TEXTS)
    others = [(60 + 100 * n, 60 + 20 * n, 90, 40) for n in range(4)]
    with pytest.warns(TextWarning, match="do not lie as its fields do"):
        reader.read(image, fields=table(as_table(others)))


def test_each_field_has_its_own_alphabet(reader, table):
    text = as_table(form(TEXTS)[1]).replace("0-9", "A-Z", 1)
    first, second, *_ = reader.read(form(TEXTS)[0], fields=table(text))
    assert first.text.isalpha() and second.text == "2026"


@pytest.mark.parametrize("separator, encoding", [(",", "utf-8-sig"), (";", "utf-8"), (";", "utf-8-sig")])
def test_a_table_with_semicolons_or_a_byte_order_mark_is_read(reader, table, separator, encoding):
    path = table(as_table(form(TEXTS)[1]).replace(",", separator), encoding)
    assert texts(reader.read(form(TEXTS)[0], fields=path)) == TEXTS


@pytest.mark.parametrize(
    "old, new, sentence",
    [
        ("field1,60", "field1,6000", "within the picture, which has 700x530 pixels, but the field field1 is not"),
        ("field1,60", "field1,-5", "fields within the picture"),
        ("field2,", "field1,", "should name each field once, but names field1 twice"),
        ("field1,60", "field1,sixty", "numbers of pixels, but has others in the field field1"),
        ("field1,60", "field1,nan", "fields within the picture"),
        ("height,", "tall,", "should have the columns .* but lacks height"),
        ("0-9", "0-9ß", "alphabet should hold characters of the network"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_sentence(reader, table, old, new, sentence):
    path = table(as_table(form(TEXTS)[1]).replace(old, new, 1))
    with pytest.raises(UserError, match=sentence):
        reader.read(form(TEXTS)[0], fields=path)


@pytest.mark.parametrize("content", ["", "\xff\xfe\x00", "field,left\n"])
def test_damaged_tables_are_refused_in_one_sentence(reader, table, content):
    with pytest.raises(UserError, match="fields.csv should"):
        reader.read(form(TEXTS)[0], fields=table(content, "latin-1"))


def test_the_command_gives_a_row_a_field(tmp_path, table, capsys):
    form(TEXTS)[0].save(tmp_path / "form.png")
    with pytest.raises(SystemExit) as ended:
        arguments = [str(tmp_path / "form.png"), "--fields", str(table()), "--format", "csv", "--model", "handwriting"]
        run_command("read", arguments)
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert not ended.value.code and [(row["field"], row["text"]) for row in rows] == [
        (f"field{n}", text) for n, text in enumerate(TEXTS, 1)
    ]


def test_the_form_of_the_readme_is_read_as_it_shows(capsys, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    command, shown = re.search(
        r"(emnist read --fields .*)\n```\n\n```\n(.*?)```", Path("README.md").read_text(), re.S
    ).groups()
    with pytest.raises(SystemExit):
        run_command("read", [*command.split()[2:], "--model", "handwriting"])
    assert capsys.readouterr().out == shown


def test_a_picture_without_boxes_is_refused_in_one_sentence(reader):
    with pytest.raises(UserError, match="should show boxes, but none was found"):
        reader.read(np.full((400, 400), 255, np.uint8), boxes=True)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/forms")
def test_a_form_of_nist_is_read(reader):
    with (SHARED / "fields.csv").open() as file:
        truth = {row["field"]: row["truth"] for row in csv.DictReader(file) if row["characters"] == "0-9"}
    lines = reader.read(SHARED / "form.png", fields=SHARED / "fields.csv")
    right = sum(line.text == truth[line.field] for line in lines if line.field in truth)
    assert right >= 23, f"{right} of {len(truth)}"
