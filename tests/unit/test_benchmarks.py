"""Short forms of benchmarks: the learning curve, the shares of forms, the fuzzing."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from pipeline_helpers import REPOSITORY

from benchmarks import learning_curve, sample


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
