"""Calibration, worked by hand."""

import numpy as np
import pytest

from emnist.evaluation.calibration import (
    coverage_and_risk,
    coverage_at_accuracy,
    expected_calibration_error,
    reliability,
)

CONFIDENCE = np.array([0.95, 0.95, 0.61, 0.62, 0.3])
CORRECT = np.array([True, False, True, True, False])


def test_groups_of_five_predictions_worked_by_hand():
    counts, confidences, accuracies = reliability(CONFIDENCE, CORRECT, bins=10)
    assert counts.tolist() == [1, 2, 2] and accuracies.tolist() == [0, 1, 0.5]
    assert confidences == pytest.approx([0.3, 0.615, 0.95])
    error = (1 * 0.3 + 2 * 0.385 + 2 * 0.45) / 5
    assert expected_calibration_error(CONFIDENCE, CORRECT) == pytest.approx(error)


def test_equally_probable_predictions_are_rejected_together():
    kept, errors = coverage_and_risk(CONFIDENCE, CORRECT)
    assert kept == pytest.approx([0.4, 0.6, 0.8, 1]) and errors == pytest.approx([1 / 2, 1 / 3, 1 / 4, 2 / 5])
    assert coverage_at_accuracy(CONFIDENCE, CORRECT, 0.75) == 0.8
    assert coverage_at_accuracy(CONFIDENCE, CORRECT, 0.99) == 0


def test_a_probability_of_one_belongs_to_the_last_group():
    counts, confidences, _ = reliability(np.array([1.0, 0.99]), np.array([True, True]))
    assert counts.tolist() == [2] and confidences[0] == pytest.approx(0.995)
