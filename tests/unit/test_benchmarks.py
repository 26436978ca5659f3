"""Short forms of benchmarks: the time to the original's accuracy, the learning curve, the shares of forms, the fuzzing."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from idx_fixtures import EMNIST_NAMES, write_official
from pipeline_helpers import REPOSITORY

from benchmarks import learning_curve, sample
from emnist.utils.errors import UserError


def test_both_ways_train_and_the_time_of_all_epochs_is_computed_from_one(tmp_path, monkeypatch, capsys):
    from benchmarks import time_to_accuracy  # which imports torchvision: that takes seconds

    write_official(tmp_path, EMNIST_NAMES)
    monkeypatch.chdir(REPOSITORY)

    def benchmark(*options):
        monkeypatch.setattr(sys, "argv", ["time_to_accuracy", str(tmp_path), "--threads", "1", *options])
        time_to_accuracy.main()
        return capsys.readouterr().out

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
    with pytest.raises(UserError, match="--models should be one of lenet, alexnet, .* but is 'ensnet'"):
        benchmark("--models", "ensnet")  # which the original's table lacks


def test_shares_of_forms_are_found_though_forms_look_alike():
    rng = np.random.default_rng(1)
    truth = np.array([0.6, 0.1, 0.3, 0.0])
    # The second form is often taken for the first one, and each for the fourth now and then.
    read_as = np.array([[0.8, 0.1, 0.0, 0.1], [0.4, 0.5, 0.0, 0.1], [0.0, 0.0, 0.9, 0.1], [0.1, 0.1, 0.1, 0.7]])
    seen = np.concatenate([rng.choice(4, 20000, p=read_as[form])[: int(20000 * truth[form])] for form in range(4)])
    probabilities = (read_as / read_as.sum(axis=0)).T[seen]
    assert np.abs(np.bincount(seen) / len(seen) - truth).max() > 0.08
    np.testing.assert_allclose(sample.mixture_shares(probabilities), truth, atol=0.02)


def test_the_learning_curve_foretells_what_the_law_behind_the_runs_gives(monkeypatch):
    monkeypatch.setattr(learning_curve, "FITS", 100)
    law = 11.0, 6.0, 0.4
    images = np.repeat(learning_curve.IMAGES, [3, 3, 3, 1, 1])
    errors = learning_curve.error_at(law, images) + np.random.default_rng(0).normal(0, 0.1, len(images))
    runs = pd.DataFrame({"images": images, "accuracy": 100 - errors})
    truth = 100 - learning_curve.error_at(law, learning_curve.ALL)
    _, ((middle,), (low,), (high,)) = learning_curve.extrapolate(runs, np.array([learning_curve.ALL]))
    assert low < truth < high and high - low < 3 and abs(middle - truth) < 0.7


@pytest.mark.slow
def test_no_parser_fails_on_damaged_or_made_up_files():
    command = [sys.executable, "-m", "benchmarks.fuzz", "--count", "500", "--seed", "7"]
    done = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") == 18
