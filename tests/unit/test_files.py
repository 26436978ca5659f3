"""Files appear whole or not at all, and reading them runs no code."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emnist.data.files import load_json, write_array, write_csv, write_json
from emnist.models import build_model
from emnist.models.weights import load_weights, save_weights
from emnist.utils.atomic import write_bytes
from emnist.utils.checkpoint import remove_stale_files
from emnist.utils.errors import UserError


@settings(derandomize=True, max_examples=30)
@given(chunks=st.lists(st.binary(max_size=100), max_size=5))
def test_files_hold_exactly_the_bytes_that_are_written(tmp_path_factory, chunks):
    path = tmp_path_factory.getbasetemp() / "file"
    write_bytes(path, *chunks)
    assert path.read_bytes() == b"".join(chunks)


def test_a_signal_just_after_a_file_is_in_place_is_what_ends_the_write(tmp_path, monkeypatch):
    def replace_and_interrupt(*paths):
        replace(*paths)
        raise KeyboardInterrupt

    replace = os.replace
    monkeypatch.setattr(os, "replace", replace_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new" and os.listdir(tmp_path) == ["file"]


WRITER = """
import sys
from emnist.utils.atomic import write_bytes
while True:
    for letter in (b"a", b"b"):
        write_bytes(sys.argv[1], letter * 3_000_000)
        print("written", flush=True)
"""


def test_a_writer_that_is_killed_leaves_a_whole_file_and_its_rest_is_swept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data" / "file"
    for delay in (0.05, 0.11, 0.17):
        with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
        assert path.read_bytes() in (b"a" * 3_000_000, b"b" * 3_000_000)
    remove_stale_files()
    assert os.listdir(path.parent) == ["file"]


def test_arrays_come_back_as_they_were(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_array(tmp_path / "array.npy", array.swapaxes(0, 2))
    assert np.array_equal(np.load(tmp_path / "array.npy"), array.swapaxes(0, 2))


def test_json_and_csv_come_back_and_what_json_has_no_word_for_is_refused(tmp_path):
    write_json(tmp_path / "file.json", {"a": [1, 2.5]})
    with pytest.raises(ValueError):
        write_json(tmp_path / "file.json", {"loss": float("nan")})
    assert load_json(tmp_path / "file.json") == {"a": [1, 2.5]}
    write_csv(tmp_path / "file.csv", ["actual", "loss"], [[",", None], ['"', 0.5]])
    assert (tmp_path / "file.csv").read_text() == 'actual,loss\n",",\n"""",0.5\n'


def test_weights_that_are_a_pickle_are_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    torch.save({"features.0.weight": Trap()}, tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="weights.safetensors should hold weights in safetensors format"):
        load_weights(tmp_path / "weights.safetensors")
    assert not (tmp_path / "trapped").exists()


def test_weights_that_cannot_be_mapped_into_memory_are_one_sentence(tmp_path, monkeypatch):
    def from_file(*arguments, **options):
        raise RuntimeError("unable to mmap 100 bytes from file <weights>: Operation not permitted (1)")

    save_weights(tmp_path / "weights.safetensors", build_model("lenet"))
    monkeypatch.setattr(torch.UntypedStorage, "from_file", from_file)
    with pytest.raises(UserError, match="unable to mmap"):
        load_weights(tmp_path / "weights.safetensors")
