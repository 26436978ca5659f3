"""`predict` as a command: what it prints, and how it ends on bad files and networks."""

import csv
import io
import json
import os
import re
import subprocess
import sys

import onnx
import pytest
from glyphs import claim, glyph, on_paper
from onnx import TensorProto, helper
from PIL import Image
from pipeline_helpers import REPOSITORY
from writing import as_table, form, write

from emnist import Reader
from emnist.data.classes import CHARACTERS
from emnist.models.pretrained import FOLDER
from emnist.utils.errors import UserError

SLOW = ["torch", "pandas", "yaml", "pydantic", "scipy", "dvc"]  # to import, or not installed with the package alone


@pytest.fixture
def four(tmp_path):
    path = tmp_path / "four.png"
    glyph().save(path)
    return path


def predict(*arguments, **options):
    command = [sys.executable, "-m", "emnist", "predict", *arguments]
    text = "input" not in options
    options = {"env": os.environ | {"OMP_NUM_THREADS": "1"}} | options
    return subprocess.run(command, capture_output=True, text=text, **options)


def test_command_prints_the_likeliest_characters_as_json(four):
    done = predict("--json", "--top", "62", "--model", "lenet", four)
    assert (done.returncode, done.stderr) == (0, "")
    [reading] = json.loads(done.stdout)
    assert (reading["file"], reading["network"]) == (str(four), "lenet")
    probabilities = {guess["character"]: guess["probability"] for guess in reading["predictions"]}
    assert sorted(probabilities) == sorted(CHARACTERS)
    assert list(probabilities.values()) == sorted(probabilities.values(), reverse=True)
    assert probabilities == dict(Reader("lenet").predict([four])[0].probabilities)


def test_networks_read_each_picture_of_a_folder_linked_ones_and_standard_input_and_the_rest_is_counted(four, tmp_path):
    folder, linked = tmp_path / "pictures", tmp_path / "elsewhere"
    folder.mkdir()
    linked.mkdir()
    for name, kind in {"a.jfif": "JPEG", "b.jpe": "JPEG", "c.pnm": "PPM", "d.PNG": "PNG", ".hidden.png": "PNG"}.items():
        on_paper(glyph()).save(folder / name, format=kind)
    on_paper(glyph()).save(linked / "e.webp")
    (folder / "linked").symlink_to(linked)
    (linked / "back").symlink_to(folder)
    for name in ("form.pdf", "form2.PDF", "README"):
        (folder / name).write_bytes(b"%PDF")
    done = predict("--format", "csv", "--top", "1", "--model", "lenet,resnet", folder, "-", input=four.read_bytes())
    assert (done.returncode, done.stderr) == (0, f"{folder}: other files left out: 3 (2 .pdf, 1 no suffix)\n".encode())
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    names = [str(folder / name) for name in ("a.jfif", "b.jpe", "c.pnm", "d.PNG", "linked/e.webp")]
    networks = ("lenet", "resnet")
    assert [(row["file"], row["network"]) for row in rows] == [
        (name, net) for name in [*names, "-"] for net in networks
    ]
    assert all(row["character"] == "4" and 0 < float(row["probability"]) <= 1 and row["rank"] == "1" for row in rows)


def test_pages_and_characters_that_are_not_read_are_told(tmp_path):
    path, page = tmp_path / "pages.tiff", write(["72541"])
    page.save(path, save_all=True, append_images=[page, page])
    told = "has 3 pages, of which only the first is read: save each as a file"
    for name, content in ((path, b""), ("-", path.read_bytes())):
        said = predict("--model", "handwriting", name, input=content).stderr.decode()
        assert told in said and " shows 5 characters: `emnist read " in said
    read = subprocess.run([sys.executable, "-m", "emnist", "read", path], capture_output=True, text=True)
    assert read.stdout == f"{path}: 72541\n" and f"{path} {told}" in read.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_reported(four, tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    done = predict("--model", "lenet", tmp_path)
    assert done.returncode == 1 and f"{four}: 4" in done.stdout
    assert done.stderr == f"error: {tmp_path}/closed cannot be read (Permission denied): check its permissions\n"


def test_a_photograph_of_a_phone_is_read_or_says_what_it_needs(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "photo.heic"
    pillow_heif.from_pillow(on_paper(glyph()).convert("RGB")).save(path)
    assert predict("--model", "lenet", path).stdout.startswith(f"{path}: 4 ")
    (tmp_path / "pillow_heif.py").write_text("raise ModuleNotFoundError")  # as where it is not installed
    done = predict("--model", "lenet", path, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1 and done.stderr.endswith(
        f"{path} is in HEIC format, which needs pillow-heif: run `pip install pillow-heif`, or convert it\n"
    )


def test_a_first_picture_is_read_without_what_is_slow_to_import(four):
    code = f"import sys; from emnist import Reader; Reader().predict([{str(four)!r}]); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {name.split(".")[0] for name in said.split()} & set(SLOW)


def test_bad_files_are_reported_and_the_good_ones_still_read(four, tmp_path):
    no_image = "should be an image, but is none of PNG, JPEG"
    bad = {
        "missing.png": (None, "is missing"),
        "text.png": (b"I am not an image", no_image),
        "empty.png": (b"", no_image),
        "program.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", no_image),
        "cut.png": (four.read_bytes()[:500], "should be an image, but cannot be read"),
        "bomb.png": (claim(four.read_bytes(), 10_000, 9_000), "should have at most 89,478,485 pixels"),
        "huge.png": (claim(four.read_bytes(), 60_000, 60_000), "should have at most 89,478,485 pixels"),
    }
    file = io.BytesIO()
    on_paper(glyph()).save(file, format="tiff", compression="tiff_adobe_deflate")
    garbled = file.getvalue()[:8] + bytes(40) + file.getvalue()[48:]
    bad["garbled.tiff"] = (garbled, "should be an image, but cannot be read")  # about which libtiff itself speaks
    for name, (content, _) in bad.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    blank = {
        "white.png": Image.new("L", (50, 50), 255),
        "dot.png": Image.new("RGB", (1, 1)),
        "faint.png": on_paper(glyph(), 200, 190),
        "clear.png": Image.new("RGBA", (9, 9)),
    }
    for name, image in blank.items():
        image.save(tmp_path / name)
        bad[name] = (None, "should show a character, but none was found")
    (tmp_path / "folder").mkdir()
    bad["folder"] = (None, "should hold pictures, but holds no file that ends in .png")
    os.mkfifo(tmp_path / "pipe")
    bad["pipe"] = (None, "should be a file, but is a folder, pipe or device")

    done = predict("--model", "lenet", four, *(tmp_path / name for name in bad), four)
    assert done.returncode == 1
    for line in done.stdout.splitlines(keepends=True):
        assert re.fullmatch(rf"{four}: (\w \d+\.\d%, ){{2}}\w \d+\.\d%\n", line)
    assert done.stdout.count("\n") == 2
    errors = done.stderr.splitlines()
    assert len(errors) == len(bad), done.stderr
    bad = {"folder": bad.pop("folder")} | bad  # folders are looked through first
    for line, (name, (_, reason)) in zip(errors, bad.items()):
        assert line.startswith(f"error: {tmp_path / name} {reason}")


def onnx_file(node, inputs, outputs, classes, shape=()):
    """Make an ONNX file of a network of one node, whose second input, if it has one, is a shape."""
    tensors = [helper.make_tensor("shape", TensorProto.INT64, [len(shape)], shape)] if shape else []
    names = [inputs[0], *(["shape"] if shape else [])]
    values = [[helper.make_tensor_value_info(*each)] for each in (inputs, ("probabilities", *outputs))]
    graph = helper.make_graph([helper.make_node(node, names, ["probabilities"])], "graph", *values, tensors)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if classes:
        helper.set_model_props(proto, {"classes": classes})
    return proto.SerializeToString()


PICTURES = ("images", TensorProto.UINT8, ["N", 28, 28])


def network(inputs=PICTURES, classes="0"):
    """Make an ONNX file of a network that does next to nothing."""
    return onnx_file("Identity", inputs, inputs[1:], classes)


def reshaping(*shape, classes):
    """Make an ONNX file of a network that only gives the images another shape."""
    return onnx_file("Reshape", PICTURES, (TensorProto.UINT8, ["M", len(classes)]), classes, shape)


def with_external_data(secret):
    """Make an ONNX file that takes its weights from another file."""
    proto = onnx.load(FOLDER / "lenet.onnx")
    tensor = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    onnx.external_data_helper.set_external_data(tensor, secret)
    tensor.ClearField("raw_data")
    return proto.SerializeToString()


UNUSABLE = {
    "missing": None,
    "pickle": b"\x80\x04pickle?",
    "empty": b"",
    "cut": (FOLDER / "lenet.onnx").read_bytes()[:-1000],
    "other output": network(),
    "no classes": network(classes=""),
    "other input": network(("pixels", TensorProto.FLOAT, ["N", 62])),
    "fails when run": reshaping(-1, 62, classes=CHARACTERS),
    "no probabilities": reshaping(-1, 1, classes="0"),
    "weights elsewhere": with_external_data("../secret"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_network_ends_in_one_sentence(kind, four, tmp_path, capfd):
    path, reason = tmp_path / "mine.onnx", "hold a network as the stage export writes it, but does not"
    if UNUSABLE[kind] is None:
        reason = "be an exported network, but cannot be read (No such file or directory)"
    else:
        path.write_bytes(UNUSABLE[kind])
    with pytest.raises(UserError, match=f"^{path} should {re.escape(reason)}") as error:
        Reader(path).predict([four])
    assert "\n" not in str(error.value) and capfd.readouterr() == ("", "")


def test_the_documented_examples_read_a_picture_and_a_form(tmp_path):
    glyph().save(tmp_path / "photo.png")
    picture, fields = form(["324", "88"])
    picture.save(tmp_path / "form.png")
    (tmp_path / "fields.csv").write_text(as_table(fields))
    examples = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/reading.md").read_text(), re.DOTALL)
    command = [sys.executable, "-c", "".join(examples)]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == 3 and said[0].startswith("4 [('4', ") and said[0].endswith("(28, 28)")
    assert [line.split()[:2] for line in said[1:]] == [["field1", "324"], ["field2", "88"]]
