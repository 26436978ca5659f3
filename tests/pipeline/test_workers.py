"""Work that several processes share gives what one process gives. Here because processes start slowly."""

import threading

import numpy as np
import psutil
from search_helpers import small_search

from emnist.data import idx
from emnist.search import random_search
from emnist.sources import sample


def test_the_number_of_workers_does_not_change_the_search():
    params, split = small_search(trials=4)
    assert random_search(params, split, workers=1) == random_search(params, split, workers=2)


def test_the_number_of_processes_does_not_change_the_sample():
    alone, shared = (sample.render(train=600, test=120, seed=3, workers=workers) for workers in (1, 2))
    for array, again in zip(alone, shared):
        np.testing.assert_array_equal(array, again)


def kill_renderer(stop):
    """Kill a process that renders, as the system does when memory is short, as soon as there is one."""
    while not stop.wait(0.05):
        for child in psutil.Process().children():
            if "LokyProcess" in " ".join(child.cmdline()):
                child.kill()
                return


def test_a_killed_process_loses_nothing_of_the_sample(tmp_path, capsys):
    expected = sample.render(train=600, test=62, seed=5, workers=1)
    stop = threading.Event()
    killer = threading.Thread(target=kill_renderer, args=(stop,))
    killer.start()
    rendered = sample.render(train=600, test=62, seed=5, workers=2)
    stop.set()
    killer.join()
    for array, again in zip(expected, rendered):
        np.testing.assert_array_equal(array, again)
    assert "a worker process was ended" in capsys.readouterr().out


def test_the_sample_is_written_as_it_is_rendered(tmp_path):
    options = sample.Options(train=200, test=62, seed=5)
    sample.obtain(options, tmp_path, with_digits=False)
    images, _, test_images, _ = sample.render(**dict(options), workers=1)
    for part, expected in [("train", images), ("test", test_images)]:
        idx.write_images(tmp_path / "whole.gz", expected, transposed=True)
        written = (tmp_path / f"emnist-byclass-{part}-images-idx3-ubyte.gz").read_bytes()
        assert written == (tmp_path / "whole.gz").read_bytes()
