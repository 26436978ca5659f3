"""The page of `emnist serve` in a real Chromium: drawing, pictures, keys, and what it asks of the network."""

import base64
import importlib.util
import json
import statistics
from pathlib import Path

import numpy as np
import pytest
import requests
from browser_helpers import BROWSER, ROUND, browser, draw, wait_for_reading, wait_until, watched_page
from PIL import Image
from server_helpers import CAPITAL_A, drawing, encode, serving
from writing import write

from emnist.models.pretrained import pretrained_names

pytestmark = pytest.mark.skipif(
    not BROWSER, reason="needs Chromium: on Debian and Ubuntu `apt-get install chromium` installs it"
)
AXE = importlib.util.find_spec("axe_playwright_python")
ONE = [[(0.5, 0.15), (0.5, 0.85)]]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving("--keep", str(tmp_path_factory.mktemp("kept"))) as (url, _):
        yield url


@pytest.fixture(scope="module")
def chromium():
    with browser() as chromium:
        yield chromium


@pytest.fixture
def page(url, chromium):
    """The page, on a phone. At the end it has asked no other host, and broken no rule of its policy."""
    script = "addEventListener('securitypolicyviolation', fault => console.log('policy', fault.blockedURI))"
    with watched_page(
        chromium,
        url,
        lambda message: "policy" in message.text.lower(),
        lambda page: page.add_init_script(script),
        color_scheme="dark",
    ) as page:
        page.wait_for_selector("tbody tr")
        yield page


def best(page):
    return page.text_content("#best")


def test_a_capital_a_is_drawn_stroke_by_stroke_and_read(page, capsys):
    for number, stroke in enumerate(CAPITAL_A, 1):
        with page.expect_response("**/predict*") as answer:
            draw(page, [stroke])
        wait_for_reading(page, number)
    assert best(page) == "A" and page.text_content("#said").endswith("networks predict a capital A.")
    rows = [row.split()[0] for row in page.locator("tbody tr").all_inner_texts()]
    assert sorted(rows) == pretrained_names() and page.locator("tbody tr:first-child .guess").count() == 3

    # What is shown as seen is what was read of the picture that was sent.
    (picture,) = answer.value.json()["pictures"]
    pixels = "[...$('seen').getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)"
    assert bytes(page.evaluate(pixels)) == base64.b64decode(picture["image"])

    durations = page.evaluate("performance.getEntriesByName('reading').map(entry => entry.duration)")
    with capsys.disabled():
        print(f"\nfrom the end of a stroke to its reading: median {statistics.median(durations):.0f} ms")


def test_strokes_are_undone_and_what_was_cleared_comes_back(page):
    draw(page, CAPITAL_A)
    wait_for_reading(page, 1)
    wait_until(page, "$('best').textContent === 'A'")
    page.get_by_role("button", name="Clear").click()
    assert best(page) == "" and page.get_by_role("button", name="Clear").is_disabled()
    page.keyboard.press("Control+z")
    wait_until(page, "$('best').textContent === 'A'")
    for _ in CAPITAL_A:
        page.get_by_role("button", name="Undo").click()
    assert (
        page.text_content("#said") == "Nothing is drawn yet." and page.get_by_role("button", name="Undo").is_disabled()
    )


def test_a_finger_draws_and_the_page_stays_where_it_is(page):
    session = page.context.new_cdp_session(page)
    box = page.locator("#pad").bounding_box()

    def touch(kind, y=None):
        points = [] if y is None else [{"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] * y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.85)
    for y in (0.6, 0.4, 0.15):
        touch("touchMove", y)
    touch("touchEnd")
    wait_for_reading(page, 1)
    assert best(page) in "1Iil" and page.evaluate("scrollY") == 0


def test_a_character_is_drawn_by_keyboard_alone(page):
    for _ in range(3):  # the buttons before the pad are off as long as nothing is drawn
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "pad":
            break
    for _ in range(7):
        page.keyboard.press("ArrowUp")
    page.keyboard.press(" ")
    assert page.text_content("#said") == "The pen is down."
    for _ in range(14):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    wait_for_reading(page, 1)
    assert best(page) in "1Iil"
    page.keyboard.press("Delete")
    assert page.text_content("#said") == "Nothing is drawn yet."


BRING = """([kind, picture]) => {
    const data = new DataTransfer()
    if (picture) {
        const bytes = Uint8Array.from(atob(picture), letter => letter.charCodeAt(0))
        data.items.add(new File([bytes], "a.png", {type: "image/png"}))
    } else data.setData("text/plain", "https://example.org/a.png")
    pad.dispatchEvent(kind === "paste" ? new ClipboardEvent(kind, {clipboardData: data, bubbles: true})
        : new DragEvent(kind, {dataTransfer: data, bubbles: true}))
}"""


def test_a_picture_is_opened_pasted_or_dropped(page):
    file = {"name": "a.png", "mimeType": "image/png", "buffer": encode(drawing(side=400))}
    page.get_by_label("Open a picture").set_input_files(file)
    wait_for_reading(page, 1)
    assert best(page) == "A"
    for number, kind in enumerate(("paste", "drop"), 2):
        page.keyboard.press("Escape")
        page.evaluate(BRING, [kind, base64.b64encode(file["buffer"]).decode()])
        wait_for_reading(page, number)
        assert best(page) == "A"


def test_the_last_stroke_is_undone_on_every_keyboard(page):
    for keyboard, key, code, undone in [
        ("Latin", "z", "KeyZ", True),
        ("caps lock", "Z", "KeyZ", True),
        ("Cyrillic", "я", "KeyZ", True),
        ("Greek", "ζ", "KeyZ", True),
        ("Hebrew", "ז", "KeyZ", True),
        ("German z", "z", "KeyY", True),
        ("German y", "y", "KeyZ", False),
    ]:
        draw(page, ONE)
        event = {"key": key, "code": code, "ctrlKey": True, "bubbles": True}
        page.evaluate("event => pad.dispatchEvent(new KeyboardEvent('keydown', event))", event)
        assert page.evaluate("drawing.strokes.length") == (0 if undone else 1), keyboard


def test_a_tap_draws_a_dot_also_where_a_line_without_length_is_nothing(page):
    page.evaluate("CanvasRenderingContext2D.prototype.stroke = () => {}")
    box = page.locator("#pad").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_until(page, "$('said').textContent.startsWith('The picture should show a character')")  # a dot alone is none
    shown = page.evaluate("[...picture.getContext('2d').getImageData(80, 80, 1, 1).data]")
    assert shown == [0, 0, 0, 255]


def test_a_picture_of_48_megapixels_is_sent_smaller(page, tmp_path):
    photo = drawing(side=600).resize((8000, 6000))
    photo.save(tmp_path / "photo.jpg")
    page.get_by_label("Open a picture").set_input_files(tmp_path / "photo.jpg")
    wait_until(page, "$('best').textContent === 'A'")
    assert page.evaluate("[drawing.bitmap.width, drawing.bitmap.height]") == [2048, 1536]


def test_what_cannot_be_read_is_said_and_the_drawing_stays(page):
    draw(page, ONE)
    wait_for_reading(page, 1)
    for script, argument, said in [
        (BRING, ["drop", ""], "That is no file."),  # but a link
        ("() => open(new File([new Uint8Array(1.1e7)], 'a.tif'))", None, "The picture should have at most 10 MB"),
        (BRING, ["paste", ""], "That is no file."),  # but text
        ("() => open({slice: () => ({arrayBuffer: async () => { throw Error() }})})", None, "That cannot be opened."),
    ]:
        page.evaluate(script, argument)
        wait_until(page, f"$('said').textContent.startsWith('{said}')")
        assert page.locator("#said.wrong").count() == 1 and page.evaluate("drawing.strokes.length") == 1
    page.evaluate("open(new File(['no picture'], 'a.txt', {type: 'text/plain'}))")
    wait_until(page, "$('said').textContent.startsWith('The picture should be an image, but is none of PNG')")
    page.evaluate("performance.clearMeasures()")
    draw(page, ONE)
    wait_for_reading(page, 1)
    assert page.locator("#said.wrong").count() == 0


def test_a_misread_drawing_is_kept_with_one_click(page, url):
    before = requests.get(f"{url}/models").json()["drawings"]["kept"]
    draw(page, CAPITAL_A)
    wait_until(page, "$('best').textContent === 'A'")
    page.get_by_role("button", name="Keep as a capital A").click()
    wait_until(page, "$('said').textContent.startsWith('Kept as a capital A: drawing')")
    page.get_by_label("Another character").fill("4")
    page.get_by_role("button", name="Keep", exact=True).click()
    wait_until(page, "$('said').textContent.startsWith('Kept as the digit 4: drawing')")
    assert requests.get(f"{url}/models").json()["drawings"]["kept"] == before + 2


def test_everything_has_a_name_and_fits_a_small_screen(page):
    draw(page, CAPITAL_A)
    wait_for_reading(page, 1)
    tree = page.locator("body").aria_snapshot()
    for part in [
        'application "Drawing pad"',
        "status:",
        'button "Undo"',
        'rowheader "resnet"',
        'heading "Draw a character"',
    ]:
        assert part in tree, tree
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"


@pytest.mark.skipif(not AXE, reason="needs axe-core: `pip install axe-playwright-python` brings it")
def test_axe_finds_nothing_that_hinders_people(page):
    session = page.context.new_cdp_session(page)  # which the page's policy does not concern
    source = Path(AXE.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    session.send("Runtime.evaluate", {"expression": source})

    def check():
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            run = {"expression": "axe.run().then(found => JSON.stringify(found))", "awaitPromise": True}
            found = json.loads(session.send("Runtime.evaluate", run)["result"]["value"])
            assert found["violations"] == [] and len(found["passes"]) > 10, scheme

    check()
    draw(page, CAPITAL_A)
    wait_until(page, "$('best').textContent === 'A'")
    page.get_by_text("Keys", exact=True).click()
    check()
    page.evaluate(BRING, ["drop", ""])
    wait_until(page, "$('said').textContent.startsWith('That is no file.')")
    check()


H_L_A = [[(0.1, 0.2), (0.1, 0.8)], [(0.22, 0.2), (0.22, 0.8)], [(0.1, 0.5), (0.22, 0.5)],
         [(0.4, 0.2), (0.4, 0.8), (0.52, 0.8)], [(0.63, 0.8), (0.71, 0.2), (0.79, 0.8)], [(0.66, 0.6), (0.76, 0.6)]]  # fmt: skip


def test_a_line_is_drawn_on_the_wide_pad_and_its_characters_tell_their_guesses(page):
    draw(page, ONE)
    page.get_by_label("A line of text").check()
    draw(page, H_L_A)
    wait_until(page, "current && $('said').textContent === 'handwriting reads “HLA”.'")  # no answer is due
    box, shown = page.evaluate("[pad.clientWidth / pad.clientHeight, $('text').getBoundingClientRect().bottom]")
    assert box == pytest.approx(3, abs=0.05) and shown < 740
    second = page.locator("#text button").nth(1)
    second.click()
    assert second.get_attribute("aria-pressed") == "true" and second.get_attribute("aria-label").startswith("L ")
    (row,) = [row for row in page.locator("tbody tr").all() if row.is_visible()]
    assert row.locator(".guess b").all_inner_texts()[0] == "L" and row.locator(".guess").count() == 3
    left, _, right, _ = page.evaluate("chosen.map(side => (side - MARGIN) / SIDE / RATIO)")
    assert left == pytest.approx(0.39, abs=0.02) and right == pytest.approx(0.53, abs=0.02)
    page.keyboard.press("Tab")
    assert row.locator(".guess b").all_inner_texts()[0] == "A"
    page.get_by_label("One character").check()  # each pad keeps its drawing
    assert page.evaluate("drawing.strokes.length") == 1 and page.locator("#text").is_hidden()


def test_an_o_is_a_0_among_digits_and_the_alphabet_that_is_given_must_be_the_networks(page):
    draw(page, ROUND)
    page.get_by_role("combobox", name="Characters").select_option("capitals")
    wait_until(page, "$('said').textContent.endsWith('predict a capital O.')")
    page.get_by_label("Ignore case").check()
    wait_until(page, "$('said').textContent.endsWith('predict the letter O.')")
    page.get_by_role("combobox", name="Characters").select_option("digits")
    wait_until(page, "$('best').textContent === '0'")
    page.get_by_role("combobox", name="Characters").select_option("these:")
    page.keyboard.type("XQ")  # the field has the focus
    wait_until(
        page, "$('best').textContent === 'Q' && document.querySelectorAll('#rows .guess').length === 2 * models.length"
    )
    page.keyboard.type("!")
    wait_until(page, "$('said').textContent.startsWith('The alphabet should hold characters of the network')")


def test_a_photograph_of_a_page_that_is_larger_than_10_mb_is_read(page, tmp_path):
    photo = np.asarray(write(["7254 167", "3308"]).resize((2400, 1800)), np.int16)[..., np.newaxis]
    noise = np.random.default_rng(0).integers(-30, 30, (1800, 2400, 3), np.int16)
    Image.fromarray(np.clip(photo + noise, 0, 255).astype(np.uint8)).save(tmp_path / "page.png", compress_level=1)
    assert (tmp_path / "page.png").stat().st_size > 1e7
    page.get_by_label("A line of text").check()
    page.get_by_role("combobox", name="Characters").select_option("digits")
    page.get_by_label("Open a picture").set_input_files(tmp_path / "page.png")
    wait_until(page, "$('said').textContent === 'handwriting reads 2 lines.'")
    assert page.locator("#text div").all_text_contents() == ["7254167", "3308"]
    assert page.evaluate("drawing.file.size") < 1e7


def test_the_page_can_be_zoomed(page):
    draw(page, ONE)
    wait_for_reading(page, 1)
    for width, height in [(720, 450), (640, 360), (320, 256)]:  # 200 %, 200 % where 720 lines are high, 400 %
        page.set_viewport_size({"width": width, "height": height})
        ends = page.evaluate(
            "[sheet, $('best'), $('rows').children[0]].map(each => each.getBoundingClientRect().bottom)"
        )
        assert width < 640 or max(ends) + page.evaluate("scrollY") < height  # the prediction is seen beside the pad
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("#pad").bounding_box()["height"] < height  # it can be seen whole
        texts = "[...document.querySelectorAll('tbody th, button, main p')]"
        assert page.evaluate(f"{texts}.filter(each => each.scrollWidth > each.clientWidth + 1).length") == 0
