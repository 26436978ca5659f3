"""Several sources are written as one."""

import numpy as np
import pytest
from idx_fixtures import EMNIST_NAMES, MNIST_NAMES, contents, write_official
from joblib import parallel_config

from emnist.data.datasets import load_emnist
from emnist.sources import load_source, obtain
from emnist.utils.errors import UserError

SAMPLE = {"train": 100, "test": 62, "seed": 1}


@pytest.fixture(autouse=True)
def in_this_process():
    with parallel_config("sequential"):
        yield


def sources(**options):
    return {name: load_source(name).Options(**values) for name, values in options.items()}


def mine(folder):
    write_official(folder, EMNIST_NAMES + MNIST_NAMES)
    return {"emnist": str(folder), "mnist": None}


@pytest.mark.parametrize("names", [["folder", "sample"], ["sample", "folder"]])
def test_images_follow_in_the_order_of_the_sources_and_digits_are_the_firsts(tmp_path, names):
    options = {"folder": mine(tmp_path / "mine"), "sample": SAMPLE}
    obtain(sources(**{name: options[name] for name in names}), tmp_path / "raw")
    for name in names:
        obtain(sources(**{name: options[name]}), tmp_path / name)
    for part in ("train", "test"):
        apart = [load_emnist(part, folder=tmp_path / name) for name in names]
        for together, *arrays in zip(load_emnist(part, folder=tmp_path / "raw"), *apart):
            assert np.array_equal(together, np.concatenate(arrays))
    written, first = contents(tmp_path / "raw"), contents(tmp_path / names[0])
    assert len(written) == 8
    assert all(written[name] == first[name] for name in MNIST_NAMES)


def test_only_the_first_source_needs_digits(tmp_path):
    write_official(tmp_path / "mine", EMNIST_NAMES)
    folder = {"emnist": str(tmp_path / "mine"), "mnist": None}
    obtain(sources(sample=SAMPLE, folder=folder), tmp_path / "raw")
    assert len(load_emnist("test", folder=tmp_path / "raw")[0]) == SAMPLE["test"] + 70
    obtain(sources(folder=folder, sample=SAMPLE), tmp_path / "again")
    for name in MNIST_NAMES:  # without MNIST, scikit-learn's digits, as the sample has
        assert contents(tmp_path / "again")[name] == contents(tmp_path / "raw")[name]


def test_one_source_is_copied_as_it_is(tmp_path):
    obtain(sources(folder=mine(tmp_path / "mine")), tmp_path / "raw")
    assert contents(tmp_path / "raw") == contents(tmp_path / "mine")


def test_nothing_is_left_if_a_source_fails(tmp_path):
    with pytest.raises(UserError, match="no should be a folder of images"):
        obtain(sources(sample=SAMPLE, folder={"emnist": str(tmp_path / "no"), "mnist": None}), tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []
