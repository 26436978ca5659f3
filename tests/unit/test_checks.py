"""Images that are not what they should be are found before anything is trained on them."""

import numpy as np
import pytest
from joblib import parallel_config
from pipeline_helpers import own_params

from emnist.data import idx
from emnist.data.classes import CHARACTERS
from emnist.data.datasets import EMNIST_PARTS, load_emnist, paths
from emnist.params import check_params
from emnist.sources import sample
from emnist.sources._checks import check_images
from emnist.utils.errors import UserError
from stages import split


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    raw = tmp_path_factory.mktemp("raw")
    with parallel_config("sequential"):
        sample.obtain(sample.Options(train=400, test=150, seed=5), raw)
    return {part: load_emnist(part, folder=raw) for part in ("train", "test")}


def write(folder, train, test, transposed=True):
    for part, (images, labels) in zip(EMNIST_PARTS, (train, test)):
        to_images, to_labels = paths(folder, part)
        idx.write_images(to_images, images, transposed)
        idx.write_labels(to_labels, labels)
    return folder


def test_nothing_is_said_of_sound_images(rendered, tmp_path):
    assert check_images(write(tmp_path, **rendered), "byclass") == []


def test_images_that_are_not_transposed_are_told(rendered, tmp_path):
    (doubt,) = check_images(write(tmp_path, **rendered, transposed=False), "byclass")
    assert "rows and columns were swapped" in doubt and "download.folder.upright" in doubt


def test_black_on_white_is_refused(rendered, tmp_path):
    images, labels = rendered["train"]
    with pytest.raises(UserError, match="training images should be white on black, but their mean is 2.. of 255"):
        check_images(write(tmp_path, (255 - images, labels), rendered["test"]), "byclass")


def test_classes_that_never_occur_and_images_in_both_parts_are_told(rendered, tmp_path):
    images, labels = rendered["train"]
    test_images, test_labels = rendered["test"]
    few = labels < 60
    test = np.append(test_images, images[few][:3], axis=0), np.append(test_labels, labels[few][:3])
    never, twice = check_images(write(tmp_path, (images[few], labels[few]), test), "byclass")
    assert never.startswith("2 of the 62 classes have no training image (y, z): if the files are of another data set")
    with pytest.raises(UserError, match="2 of the 62 classes have no training image .y, z.: add images, or leave"):
        check_images(tmp_path, list(CHARACTERS))
    assert twice.startswith("3 of 153 test images are also among the training images")


def params(**size):
    values = own_params()
    values["sizes"]["small"] |= size
    return check_params(values)


def test_too_few_test_images_are_refused_before_training(capsys):
    labels = np.repeat(np.arange(62), [3, 5] + 60 * [10])
    with pytest.raises(
        UserError, match="asks for 4,000 test images, but the source has 30: set sizes.small.test to at"
    ):
        split.check_counts(labels, 30, params())
    split.check_counts(labels, 30, params(test=30))
    assert "2 classes have fewer than 10 training images" in capsys.readouterr().out
