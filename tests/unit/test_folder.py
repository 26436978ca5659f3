from pathlib import Path

import numpy as np
import pytest
from dvc.utils.hydra import apply_overrides
from idx_fixtures import EMNIST_NAMES, MNIST_NAMES, contents, write_official

from emnist.data import idx
from emnist.sources.folder import Options, copy_folders, obtain
from emnist.utils.errors import UserError
from emnist.utils.yaml import load_yaml


@pytest.fixture
def mine(tmp_path):
    write_official(tmp_path / "mine", EMNIST_NAMES + MNIST_NAMES)
    return tmp_path / "mine"


@pytest.fixture
def yours(tmp_path):
    """A second folder, without digits."""
    write_official(tmp_path / "yours", EMNIST_NAMES, count=65)
    return tmp_path / "yours"


def test_mnist_may_lie_in_a_second_folder(tmp_path):
    write_official(tmp_path / "one", EMNIST_NAMES)
    write_official(tmp_path / "two", MNIST_NAMES)
    copy_folders([str(tmp_path / "one")], str(tmp_path / "two"), tmp_path / "raw")
    assert contents(tmp_path / "raw") == contents(tmp_path / "one") | contents(tmp_path / "two")


@pytest.mark.parametrize("name", ["my emnist", "über (2)", "a#b&c=d,e", "it's [100%] {a}: $HOME", "123", "null"])
def test_a_path_in_double_quotes_arrives_as_it_is(name, tmp_path, monkeypatch):
    write_official(tmp_path / name, EMNIST_NAMES + MNIST_NAMES)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("folder: {emnist: null, mnist: null}\n")
    for raw, home in [("one", "~"), ("two", tmp_path)]:
        apply_overrides("params.yaml", [f'folder.emnist="{home}/{name}"'])
        obtain(Options(**load_yaml(Path("params.yaml").read_bytes())["folder"]), tmp_path / raw)
        assert contents(tmp_path / raw) == contents(tmp_path / name)


def test_missing_files_are_listed_and_nothing_is_copied(mine, tmp_path):
    for names in (MNIST_NAMES, EMNIST_NAMES):
        (mine / names[1]).unlink()
        (mine / names[2]).unlink()
        with pytest.raises(UserError) as error:
            copy_folders([mine], mine, tmp_path / "raw")
        assert f"{mine / names[1]}, {mine / names[2]}: put them there" in str(error.value)
    assert not (tmp_path / "raw").exists()


def test_a_missing_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path / 'no'} should be a folder of images, but is none: set"):
        copy_folders([tmp_path / "no"], None, tmp_path / "raw")
    with pytest.raises(UserError, match="should hold the four emnist-byclass-.* but holds none of these"):
        copy_folders([tmp_path], None, tmp_path / "raw")


@pytest.mark.parametrize("name", [EMNIST_NAMES[0], EMNIST_NAMES[3], MNIST_NAMES[1]])
def test_one_damaged_file_of_several_folders_is_named_and_nothing_is_overwritten(mine, yours, tmp_path, name):
    raw = tmp_path / "raw"
    write_official(raw, EMNIST_NAMES[:1])
    before = contents(raw)
    (mine / name).write_bytes((mine / name).read_bytes()[:-10])
    with pytest.raises(UserError, match=f"{mine / name} should hold .* cut short"):
        copy_folders([yours, mine], mine, raw)
    assert contents(raw) == before


def test_images_of_several_folders_follow_in_the_order_given_and_digits_are_the_firsts(mine, yours, tmp_path):
    def read(folder, part):
        stem = f"{folder}/emnist-byclass-{part}"
        return idx.load_pair(f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz", 62)

    obtain(Options(emnist=[str(mine), str(yours)], mnist=None), tmp_path / "raw")
    for part in ("train", "test"):
        for together, *apart in zip(read(tmp_path / "raw", part), read(mine, part), read(yours, part)):
            assert np.array_equal(together, np.concatenate(apart))
    written, first = contents(tmp_path / "raw"), contents(mine)
    assert len(written) == 8 and all(written[name] == first[name] for name in MNIST_NAMES)


def test_more_images_than_can_be_read_back_are_refused(mine, yours, tmp_path, monkeypatch):
    monkeypatch.setattr("emnist.sources._parts.MAX_ITEMS", 134)
    with pytest.raises(UserError, match="at most 134 images together, but hold 135: leave one out"):
        copy_folders([mine, yours], mine, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
