"""The benchmark of the time to the original's accuracy runs both ways, and computes what it says."""

import sys

import pytest
from idx_fixtures import EMNIST_NAMES, write_official
from pipeline_helpers import REPOSITORY

from benchmarks import time_to_accuracy
from emnist.utils.errors import UserError


@pytest.fixture
def benchmark(tmp_path, monkeypatch, capsys):
    """Run it on 70 images, and return what it prints."""
    write_official(tmp_path, EMNIST_NAMES)
    monkeypatch.chdir(REPOSITORY)

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["time_to_accuracy", str(tmp_path), "--threads", "1", *options])
        time_to_accuracy.main()
        return capsys.readouterr().out

    return run


def test_both_ways_train_and_the_time_of_all_epochs_is_computed_from_one(benchmark):
    printed = benchmark("--models", "lenet,spinalnet", "--epochs", "2")
    assert "70 training and 70 test images" in printed
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")][2:]
    assert [row[:3] for row in rows] == [["lenet", "82.53", "2"], ["spinalnet", "85.92", "2"]]
    for (*_, seconds, ours, reached, epoch, total, ratio, theirs, difference), passes in zip(rows, (180, 230)):
        seconds, ours, epoch, total, ratio, theirs, difference = (
            float(cell.replace(",", "")) for cell in (seconds, ours, epoch, total, ratio, theirs, difference)
        )
        # The cells are rounded.
        assert total == pytest.approx(passes * epoch, abs=0.05 * passes + 1)
        assert total == pytest.approx(ratio * seconds, abs=0.06 * ratio + seconds + 1)
        assert difference == pytest.approx(ours - theirs, abs=0.02)
        assert reached == "no"  # on images of noise


def test_a_model_that_the_originals_table_lacks_is_refused(benchmark):
    with pytest.raises(UserError, match="--models should be one of lenet, alexnet, .* but is 'ensnet'"):
        benchmark("--models", "ensnet")
