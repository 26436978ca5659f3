"""Drawing, splitting and describing images."""

import numpy as np
import pytest

from emnist.data import idx
from emnist.data.datasets import load_emnist, load_split
from emnist.data.files import write_array, write_json
from emnist.data.subsets import partition, statistics, stratified
from emnist.utils.errors import UserError

RNG = np.random.default_rng(0)
LABELS = RNG.choice(62, 5000, p=np.arange(1, 63) / np.arange(1, 63).sum()).astype(np.uint8)


def test_a_stratified_draw_keeps_the_proportions_of_the_classes():
    chosen = stratified(LABELS, 1000, np.random.default_rng(1))
    assert len(set(chosen.tolist())) == 1000
    shares = np.bincount(LABELS, minlength=62) / 5
    assert np.abs(np.bincount(LABELS[chosen], minlength=62) - shares).max() <= 1


def test_another_seed_draws_other_images():
    first, again, other = (set(stratified(LABELS, 1000, np.random.default_rng(seed)).tolist()) for seed in (1, 1, 2))
    assert first == again != other


def test_the_parts_are_those_of_the_original():
    names = "pretrain", "validation", "mini-train", "mini-validation"
    pretrain, validation, *mini = map(partition(LABELS, seed=42).get, names)
    assert [*map(len, (pretrain, validation, *mini))] == [4500, 500, 400, 100]
    assert sorted([*pretrain, *validation]) == list(range(5000))
    assert sorted(np.concatenate(mini)) == sorted(validation)


def test_mean_and_deviation_are_those_of_pixels_between_0_and_1():
    images = np.tile(RNG.integers(0, 256, (9000, 1, 1), dtype=np.uint8), (1, 28, 28))  # each of one grey
    found = statistics(images)
    assert found["mean"] == pytest.approx((images / 255).mean(), abs=1e-6)
    assert found["std"] == pytest.approx((images / 255).std(), abs=1e-6)


@pytest.fixture
def raw(tmp_path):
    images = RNG.integers(0, 256, (300, 28, 28), dtype=np.uint8)
    idx.write_images(tmp_path / "emnist-byclass-train-images-idx3-ubyte.gz", images.swapaxes(1, 2))
    idx.write_labels(tmp_path / "emnist-byclass-train-labels-idx1-ubyte.gz", LABELS[:300])
    return tmp_path, images


def test_official_files_are_read_upright(raw):
    folder, images = raw
    read, labels = load_emnist("train", folder=folder)
    assert np.array_equal(read, images)
    assert np.array_equal(labels, LABELS[:300])


def test_a_subset_keeps_images_and_labels_together(raw):
    folder, images = raw
    read, labels = load_emnist("train", 100, seed=1, folder=folder)
    for image, label in zip(read, labels):
        original = np.flatnonzero((images == image).all((1, 2)))
        assert LABELS[original] == label


@pytest.fixture
def split(tmp_path):
    write_array(tmp_path / "train-images.npy", np.zeros((10, 28, 28), np.uint8))
    write_array(tmp_path / "train-labels.npy", np.zeros(10, np.uint8))
    write_array(tmp_path / "pretrain.npy", np.arange(9))
    write_json(tmp_path / "statistics.json", {"mean": 0.5, "std": 0.5})
    return tmp_path


def test_what_split_wrote_is_mapped_not_copied(split):
    images, labels, pixels, pretrain = load_split("pretrain", folder=split)
    assert isinstance(images, np.memmap)
    assert pixels == {"mean": 0.5, "std": 0.5}
    assert len(pretrain) == 9
    (split / "pretrain.npy").unlink()
    with pytest.raises(UserError, match="pretrain.npy is missing"):
        load_split("pretrain", folder=split)
