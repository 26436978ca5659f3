"""The page of `emnist page` in a real Chromium: what it reads without a server, and that Python reads the same."""

import base64
import contextlib
import functools
import http.server
import io
import shutil
import tarfile

import numpy as np
import pytest
from browser_helpers import BROWSER, ROUND, browser, draw, wait_for_reading, wait_until, watched_page
from glyphs import glyph, on_a_wooden_table, on_paper
from loopback import listening
from PIL import Image
from server_helpers import CAPITAL_A

from emnist.cli import run_command
from emnist.data.classes import CHARACTERS
from emnist.page.runtime import SHA256, VERSION, fetch_runtime, load_runtime
from emnist.page.write import write_static_page
from emnist.reading.alphabet import Alphabet
from emnist.reading.pictures import read_character
from emnist.reading.reader import Reader
from emnist.sources.sample import FONTS, FORMS
from emnist.utils.errors import UserError

needs_browser = pytest.mark.skipif(
    not BROWSER, reason="needs Chromium: on Debian and Ubuntu `apt-get install chromium` installs it"
)
NOTHING = dict.fromkeys(SHA256, b"")  # in place of the runtime where nothing is read


@pytest.fixture(scope="module")
def runtime(pytestconfig):
    """A folder with ONNX Runtime's files, fetched once."""
    folder = pytestconfig.cache.mkdir(f"onnxruntime-web-{VERSION}")
    with contextlib.suppress(UserError):
        load_runtime(folder)
        return folder
    try:
        files = fetch_runtime()
    except UserError as error:
        pytest.skip(str(error))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(folder):
    with listening(functools.partial(Quiet, directory=folder)) as address:
        yield f"{address}/"


@pytest.fixture(scope="module")
def written(runtime, tmp_path_factory):
    folder = tmp_path_factory.mktemp("static") / "page"
    run_command("page", [str(folder), "--model", "handwriting,lenet", "--runtime", str(runtime)])
    return folder


@pytest.fixture(scope="module")
def chromium():
    with browser() as chromium:
        yield chromium


@pytest.fixture
def page(written, chromium):
    """The page, on a phone. At the end it has asked no other host, and broken no rule of its policy."""
    with serving(written) as url:
        with watched_page(chromium, url, lambda message: message.type == "error") as page:
            yield page


def pen_drawings(count, seed=0):
    """Draw characters as pens do, each in another size, place and slant; strokes of points as shares of the pad."""
    rng, drawings = np.random.default_rng(seed), []
    forms = [form for forms in FORMS.values() for _, form, _ in forms if form not in FONTS]
    for _ in range(count):
        strokes = forms[rng.integers(len(forms))].split("/")
        shape = np.diag(rng.uniform(0.25, 0.85, 2)) @ [[1, rng.normal(0, 0.2)], [0, 1]]
        place = rng.uniform(0.3, 0.7, 2)
        for_one = []
        for stroke in strokes:
            points = np.array([[int(digit) for digit in point] for point in stroke.split()]) / 9 - 0.5
            points = (points + rng.normal(0, 0.02, points.shape)) @ shape.T + place
            for_one.append([{"x": x, "y": y} for x, y in np.clip(points, 0, 1).tolist()])
        drawings.append(for_one)
    return drawings


READ = """async drawings => {
  const {predict} = await local, found = []
  for (const strokes of drawings) {
    drawing = {...EMPTY, strokes}
    const sent = await png(), read = await predict(sent).catch(error => error.message)
    found.push([btoa(String.fromCharCode(...new Uint8Array(await sent.arrayBuffer()))), read])
  }
  return found
}"""


@needs_browser
@pytest.mark.slow
def test_the_page_reads_250_drawings_as_python_does(page):
    readers, read_by_both = [Reader(name) for name in ("handwriting", "lenet")], 0
    for sent, found in page.evaluate(READ, pen_drawings(250)):
        try:
            image = read_character(base64.b64decode(sent))
        except UserError as error:
            assert found == f"{str(error)[0].upper()}{str(error)[1:]}."
            continue
        assert base64.b64decode(found["image"]) == image.tobytes()
        for reader, network in zip(readers, found["networks"], strict=True):
            (prediction,), of_page = reader.predict_images(image[np.newaxis]), network["predictions"]
            of_python = dict(prediction.probabilities)
            assert of_page[0]["character"] == prediction.character
            assert all(abs(of_python[each["character"]] - each["probability"]) < 1e-4 for each in of_page)
        read_by_both += 1
    assert read_by_both > 237


RESTRICT = """async cases => {
  const {restrict} = await import("./alphabet.js")
  return cases.map(([classes, probabilities, characters, ignoreCase]) => {
    try {
      return restrict(classes, probabilities, characters, ignoreCase).map(Object.values)
    } catch (error) {
      return error.message
    }
  })
}"""


@needs_browser
def test_an_alphabet_gives_the_probabilities_that_python_gives(page):
    named = [*"AaBbéÉ-+ßπΠ𝟙", "plus", "plusminus", "ch"]
    cases = [
        (classes, characters, ignore_case)
        for classes, alphabets in [(list(CHARACTERS), ["", "0-9", "0-9 ", "0-9A-F", "a-zA-Z", "!x?", "z-a", " ", "O0o-q"]),
                                   (named, ["", "plusminus+", "-+", "+--", "chA-B", "e\u0301π", "𝟙A", "ch!", "Aa"])]
        for characters in alphabets
        for ignore_case in (False, True)
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    rows = [rng.dirichlet(np.full(len(classes), 0.1)).astype(np.float32) for classes, *_ in cases]
    found = page.evaluate(RESTRICT, [[c, row.tolist(), *others] for row, (c, *others) in zip(rows, cases)])
    for row, (classes, characters, ignore_case), of_page in zip(rows, cases, found, strict=True):
        try:
            alphabet = Alphabet(classes, characters or None, ignore_case)
        except UserError as error:
            assert of_page == f"{str(error)[0].upper()}{str(error)[1:]}."
            continue
        assert [character for character, _ in of_page] == list(alphabet.characters)
        of_python = alphabet.restrict(row[np.newaxis])[0]
        assert np.allclose([value for _, value in of_page], of_python, atol=1e-6), (characters, ignore_case)
    # The page gives its choice to the same function.
    assert page.get_by_label("A line of text").is_hidden()  # lines need a server
    page.get_by_role("combobox", name="Characters").select_option("digits")
    draw(page, ROUND)
    wait_until(page, "$('best').textContent === '0'")
    page.get_by_role("combobox", name="Characters").select_option("capitals")
    wait_until(page, "$('best').textContent === 'O'")
    assert [row.split()[0] for row in page.locator("tbody tr").all_inner_texts()] == ["handwriting", "lenet"]
    assert page.locator("#keep").is_hidden()


@needs_browser
def test_the_page_works_without_a_network_once_it_is_loaded(written, chromium):
    context = chromium.new_context()
    page = context.new_page()
    with serving(written) as url:
        page.goto(url)
        wait_until(page, "navigator.serviceWorker.controller !== null")
    page.reload()  # the server has gone
    draw(page, CAPITAL_A)
    wait_until(page, "$('best').textContent === 'A'")
    context.close()


@needs_browser
def test_a_picture_is_opened_and_read_as_by_python(page, tmp_path):
    table = on_a_wooden_table(np.asarray(on_paper(glyph(200, 300, 20))))
    table = Image.fromarray(table.clip(0, 255).astype(np.uint8))
    for number, picture in enumerate([on_paper(glyph(), 235, 30), on_paper(glyph(), 30, 220), table], 1):
        path = tmp_path / f"{number}.png"
        picture.save(path)
        page.set_input_files("#file", path)
        wait_for_reading(page, number)
        read = page.evaluate("local.then(({predict}) => predict(current))")
        (prediction,) = Reader().predict(path)
        assert base64.b64decode(read["image"]) == prediction.image.tobytes()
        assert page.text_content("#best") == prediction.character == "4"


@needs_browser
def test_what_is_no_picture_or_shows_no_character_is_told_in_a_sentence(page, tmp_path):
    (tmp_path / "note.png").write_text("no picture")
    page.set_input_files("#file", tmp_path / "note.png")
    wait_until(page, "$('said').textContent === 'This browser cannot open the picture. Save it as PNG or JPEG.'")
    draw(page, [[(0.5, 0.5), (0.5, 0.5)]])
    wait_until(page, "$('said').textContent.startsWith('The picture should show a character, but none was found')")


@needs_browser
@pytest.mark.parametrize("lacking", ["WebAssembly", "DecompressionStream"])
def test_a_browser_without_webassembly_is_told_in_a_sentence(written, chromium, lacking):
    page = chromium.new_page()
    page.add_init_script(f"delete globalThis.{lacking}")
    with serving(written) as url:
        page.goto(url)
        wait_until(page, "$('said').textContent.startsWith('The page needs WebAssembly, which this browser lacks')")
    page.close()


@needs_browser
@pytest.mark.parametrize("damaged", ["network1.onnx", "ort-wasm-simd-threaded.js", "runtime.bin", "reading.js"])
def test_a_page_with_a_damaged_file_says_so_in_a_sentence(written, chromium, tmp_path, damaged):
    folder = shutil.copytree(written, tmp_path / "page")
    content = (folder / damaged).read_bytes()
    (folder / damaged).write_bytes(content[: len(content) // 2])
    page = chromium.new_page()
    with serving(folder) as url:
        page.goto(url)
        draw(page, ROUND)
        wait_until(page, "$('said').textContent.match(/^The .+\\. Reload .+, or write it again\\.$/)")
    page.close()


def test_the_page_is_small_and_the_same_each_time(written, runtime, tmp_path):
    write_static_page(
        tmp_path / "again", {"handwriting": "handwriting", "lenet": "lenet"}, lambda: load_runtime(runtime)
    )
    files = {path.name: path.read_bytes() for path in written.iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    own = sum(len(content) for name, content in files.items() if not name.startswith(("ort", "runtime")))
    assert own < 3e6 and len(files["runtime.bin"]) < 3e6


@pytest.mark.parametrize(
    "arguments, error",
    [
        (["full"], "full should be empty, but holds files: name another folder, or add --force"),
        (["file"], "file should be a folder, but is a file: name another"),
        (["out", "--model", "resnest"], r"the network should be one of .*, but is 'resnest' \(did you mean resnet\?\)"),
        (
            ["out", "--model", "file.onnx"],
            "file.onnx should hold a network as the stage export writes it, but does not",
        ),
        (["out", "--runtime", "full"], "full should hold ort.wasm.min.mjs, .*, but ort.wasm.min.mjs cannot be read"),
        (["out", "--registry", "http://127.0.0.1:9"], "cannot be fetched from http://127.0.0.1:9/.*Connection refused"),
        (["out", "--registry", "nowhere"], "cannot be fetched from nowhere/onnxruntime-web/.*unknown url type"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, arguments, error):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    for name in ("full/note.txt", "file", "file.onnx"):
        (tmp_path / name).write_text("note")
    with pytest.raises(UserError, match=error):
        run_command("page", arguments)
    assert not (tmp_path / "out").exists() and [each.name for each in (tmp_path / "full").iterdir()] == ["note.txt"]


def test_a_folder_that_holds_files_is_written_into_if_that_is_asked_for(tmp_path):
    (tmp_path / "note.txt").write_text("kept")
    write_static_page(tmp_path, {"lenet": "lenet"}, lambda: dict(NOTHING), force=True)
    assert (tmp_path / "note.txt").read_text() == "kept" and "Draw a character" in (tmp_path / "index.html").read_text()


def test_another_package_than_the_pinned_one_is_refused(tmp_path, monkeypatch):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as package:
        for name in SHA256:
            package.addfile(tarfile.TarInfo(f"package/dist/{name}"))
    place = tmp_path / "onnxruntime-web/-"
    place.mkdir(parents=True)
    (place / f"onnxruntime-web-{VERSION}.tgz").write_bytes(content.getvalue())
    with serving(tmp_path) as url:
        with pytest.raises(
            UserError, match=f"should hold ort.wasm.min.mjs of onnxruntime-web {VERSION}, but holds another"
        ):
            fetch_runtime(url)
    for name in SHA256:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="its SHA-256 differs"):
        load_runtime(tmp_path)
