"""Files as people have them: what a folder holds is found by looking."""

import csv
import gzip
import re
import shutil

import numpy as np
import pytest
from idx_fixtures import EMNIST_NAMES, MNIST_NAMES, contents, write_official
from PIL import Image

from emnist.data.classes import classes_of, from_byclass
from emnist.data.datasets import load_emnist, load_mnist
from emnist.reading.pictures import read_character
from emnist.serve.drawings import Drawings
from emnist.sources.folder import Options, obtain
from emnist.utils.errors import UserError


@pytest.fixture
def official(tmp_path):
    """ByClass in its official files, with its images and labels of each part."""
    folder = tmp_path / "official"
    write_official(folder, EMNIST_NAMES)
    return folder


def images_of(folder, dataset="byclass"):
    """What training and testing get from a folder."""
    raw = folder.parent / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    obtain(Options(emnist=[str(folder)], mnist=None), raw, dataset, with_digits=False)
    return [load_emnist(part, folder=raw, classes=len(classes_of(dataset))) for part in ("train", "test")]


def same(first, second):
    return all(np.array_equal(a, b) for one, other in zip(first, second) for a, b in zip(one, other))


def refusal(folder, dataset="byclass"):
    with pytest.raises(UserError) as error:
        images_of(folder, dataset)
    assert not (folder.parent / "raw").exists()
    return str(error.value)


@pytest.mark.parametrize("place", ["", "EMNIST/raw", "gzip"])
@pytest.mark.parametrize("unpacked, dots", [(True, False), (True, True), (False, True)])
def test_idx_is_found_where_tools_leave_it(official, tmp_path, place, unpacked, dots):
    expected = images_of(official)
    for path in official.iterdir():
        name = path.name.replace("-idx", ".idx") if dots else path.name
        target = tmp_path / "mine" / place / (name.removesuffix(".gz") if unpacked else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(path.read_bytes()) if unpacked else path.read_bytes())
    assert same(images_of(tmp_path / "mine"), expected)


def write_csv(path, images, labels, header=False):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([["label", *map(str, range(784))]] if header else [])
        rows.writerows([label, *image.T.ravel()] for image, label in zip(images, labels))


@pytest.mark.parametrize("header", [False, True])
def test_csv_of_kaggle_is_read(official, tmp_path, header):
    expected = images_of(official)
    (tmp_path / "kaggle").mkdir()
    for part, arrays in zip(("train", "test"), expected):
        write_csv(tmp_path / "kaggle" / f"emnist-byclass-{part}.csv", *arrays, header)
    assert same(images_of(tmp_path / "kaggle"), expected)


@pytest.mark.parametrize("dataset", ["bymerge", "letters", "digits"])
def test_a_data_set_is_made_of_byclass_by_the_official_mapping(official, dataset, capsys):
    for (images, labels), (mine, found) in zip(images_of(official), images_of(official, dataset)):
        mapped = from_byclass(dataset)[labels]
        assert np.array_equal(mine, images[mapped >= 0]) and np.array_equal(found, mapped[mapped >= 0])
    title = obtain(Options(emnist=[str(official)], mnist=None), official.parent / "raw", dataset)
    assert "made of ByClass" in title and "it is not the official selection" in capsys.readouterr().out


def test_official_letters_count_from_one(tmp_path):
    write_official(tmp_path / "letters", [name.replace("byclass", "letters") for name in EMNIST_NAMES], 52, first=1)
    for _, labels in images_of(tmp_path / "letters", "letters"):
        assert sorted(set(labels)) == list(range(26))
    for name in EMNIST_NAMES:  # files that count from 0 are others than their names say
        write_official(tmp_path / "letters", [name.replace("byclass", "letters")], 52, first=0)
    assert "labels from 1 to 26, but holds 0: set the dataset" in refusal(tmp_path / "letters", "letters")


def test_mnist_is_a_data_set_and_the_digits_of_the_transfer(tmp_path):
    write_official(tmp_path / "MNIST/raw", MNIST_NAMES)
    raw = tmp_path / "out"
    obtain(Options(emnist=[str(tmp_path)], mnist=None), raw, "mnist")
    for part, name in (("train", "train"), ("test", "t10k")):
        assert same([load_emnist(part, folder=raw, classes=10)], [load_mnist(name, raw)])
    assert {name: contents(raw)[name] for name in MNIST_NAMES} == contents(tmp_path / "MNIST/raw")


def draw(path, number, size=(90, 70)):
    """Draw a cross whose bar lies at another height for each number."""
    picture = np.full(size, 255, np.uint8)
    picture[10:-10, 30:38] = 0
    picture[15 + 3 * number : 22 + 3 * number, 10:60] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


OWN = ["ж", "plus", "क्ष"]


@pytest.fixture
def pictures(tmp_path):
    for part, count in (("train", 6), ("test", 2)):
        for label, character in enumerate(OWN):
            for number in range(count):
                draw(tmp_path / "own" / part / character / f"{number}.png", number + 6 * label, (90 + number, 70))
    return tmp_path / "own"


def test_pictures_are_read_as_predict_reads_them(pictures):
    (images, labels), (test, _) = images_of(pictures, OWN)
    assert (len(images), len(test)) == (18, 6)
    for label, character in enumerate(OWN):
        paths = sorted((pictures / "train" / character).iterdir())
        assert np.array_equal(images[labels == label], [read_character(path) for path in paths])


def test_a_fifth_is_set_aside_where_there_is_no_test_folder(pictures, capsys):
    shutil.rmtree(pictures / "test")
    for folder in (pictures, pictures / "train"):
        (_, labels), (_, test_labels) = images_of(folder, OWN)
        assert (len(labels), len(test_labels)) == (14, 4) and set(test_labels) == {0, 1, 2}
        assert "4 of 18 pictures are set aside for testing" in capsys.readouterr().out


def test_a_table_names_the_characters_of_folders(pictures):
    expected = images_of(pictures, OWN)
    for part in ("train", "test"):
        (pictures / part / "plus").rename(pictures / part / "sign-1")
    (pictures / "classes.csv").write_text("folder,character\nsign-1,plus\n")
    for (images, labels), (mine, found) in zip(expected, images_of(pictures, OWN), strict=True):
        assert sorted(zip(labels, map(bytes, images))) == sorted(
            zip(found, map(bytes, mine))
        )  # in the order of folders
    (pictures / "classes.csv").write_text("sign-1,plus\n")
    assert "classes.csv should be a table in UTF-8 whose first line is folder,character" in refusal(pictures, OWN)


def test_a_picture_that_cannot_be_read_is_named_and_the_others_go_on(pictures, capsys):
    for number in range(100):
        shutil.copy(pictures / "train/ж/0.png", pictures / f"train/ж/more-{number}.png")
    (pictures / "train/plus/0.png").write_bytes(b"no picture")
    (images, _), _ = images_of(pictures, OWN)
    assert len(images) == 117 and "left out: " in (said := capsys.readouterr().out) and "train/plus/0.png" in said
    (pictures / "train/plus/1.png").write_bytes(b"no picture")
    assert "2 of 118 pictures cannot be read, which is more than 1%" in refusal(pictures, OWN)


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda folder: draw(folder / "train/ы/1.png", 1), "ы is of the character 'ы', which dataset .* lacks: add it"),
        (lambda folder: draw(folder / "train/ж/more/1.png", 1), "holds folders, such as more: move the pictures up"),
        (lambda folder: shutil.rmtree(folder / "train"), "a folder test, but no folder train"),
    ],
)
def test_folders_that_do_not_fit_are_refused(pictures, spoil, said):
    spoil(pictures)
    assert re.search(said, refusal(pictures, OWN))


@pytest.mark.parametrize(
    "line, said",
    [
        ("5," + ",".join(["0"] * 783), "a row after number 0 is not so"),
        ("5," + ",".join(["0"] * 785), "a row after number 0 is not so"),
        ("5,256," + ",".join(["0"] * 783), "row 71 holds 256"),
        ("5,-1," + ",".join(["0"] * 783), "row 71 holds -1"),
        ("5,x," + ",".join(["0"] * 783), "a row after number 0 is not so"),
        ("62," + ",".join(["0"] * 784), "labels from 0 to 61, but holds 62"),
    ],
)
def test_a_wrong_row_of_csv_is_refused(official, tmp_path, line, said):
    (tmp_path / "kaggle").mkdir()
    for part, arrays in zip(("train", "test"), images_of(official)):
        write_csv(tmp_path / "kaggle" / f"emnist-byclass-{part}.csv", *arrays)
    shutil.rmtree(tmp_path / "raw")
    with open(tmp_path / "kaggle/emnist-byclass-test.csv", "a") as file:
        file.write(line + "\n")
    assert said in refusal(tmp_path / "kaggle")


def test_files_of_another_data_set_are_named(official):
    assert "holds files of byclass, but dataset in params.yaml is balanced: set dataset to byclass" in refusal(
        official, "balanced"
    )
    assert "holds files of byclass, but dataset in params.yaml is a list of characters" in refusal(official, OWN)


def test_drawings_of_ones_own_characters_are_read_back(tmp_path):
    kept = Drawings(tmp_path / "kept", OWN)
    images = np.random.default_rng(0).integers(0, 100, (9, 28, 28), np.uint8)
    for number, image in enumerate(images):
        kept.keep(image, OWN[number % 3])
    (train, labels), (test, test_labels) = images_of(tmp_path / "kept", [*OWN[::-1], "ы"])
    assert np.array_equal(train, images[[0, 2, 3, 4, 5, 6, 7]]) and np.array_equal(test, images[[1, 8]])
    assert labels.tolist() == [2, 0, 2, 1, 0, 2, 1] and test_labels.tolist() == [1, 0]
    with pytest.raises(UserError, match="should be one of жplusक्ष, but is 'A'"):
        kept.keep(images[0], "A")


def test_files_that_hold_images_upright_are_turned_by_a_parameter(official):
    turned = obtain(Options(emnist=[str(official)], mnist=None, upright=True), official.parent / "up", "byclass", False)
    for part, (images, labels) in zip(("train", "test"), images_of(official)):
        assert same([load_emnist(part, folder=official.parent / "up")], [(images.swapaxes(1, 2), labels)])
    assert turned == "images from a folder"
