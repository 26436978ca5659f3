"""Work that several processes share gives what one process gives. Here because processes start slowly."""

import numpy as np
from search_helpers import small_search

from emnist.data import idx
from emnist.search import random_search
from emnist.sources import sample


def test_the_number_of_workers_does_not_change_the_search():
    params, split = small_search(trials=4)
    assert random_search(params, split, workers=1) == random_search(params, split, workers=2)


def render(**options):
    """Render the sample, and return the labels and the images of each part."""
    return [(labels, np.concatenate(list(pages))) for labels, pages in sample.render(**options)]


def test_the_number_of_processes_does_not_change_the_sample():
    alone, shared = (render(train=600, test=120, seed=3, workers=workers) for workers in (1, 2))
    np.testing.assert_equal(alone, shared)


def test_the_sample_is_written_as_it_is_rendered(tmp_path):
    options = sample.Options(train=200, test=62, seed=5)
    sample.obtain(options, tmp_path, with_digits=False)
    for part, (_, expected) in zip(("train", "test"), render(**dict(options), workers=1)):
        idx.write_images(tmp_path / "whole.gz", expected, transposed=True)
        written = (tmp_path / f"emnist-byclass-{part}-images-idx3-ubyte.gz").read_bytes()
        assert written == (tmp_path / "whole.gz").read_bytes()
