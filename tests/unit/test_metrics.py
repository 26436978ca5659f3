"""The scores, worked by hand."""

import numpy as np

from emnist.data.classes import BYMERGE, CHARACTERS
from emnist.evaluation.metrics import classification_metrics, most_confused, per_class_table


def labels_of(text):
    return np.array([CHARACTERS.index(character) for character in text])


def test_scores_of_four_images_worked_by_hand():
    # class 0: 2 images, 1 found, 1 guess; class 1: 1 image, found, 2 guesses; class 2: 1 image, not found
    labels = np.array([0, 0, 1, 2])
    top = np.array([[0, 1, 2], [1, 2, 0], [1, 0, 2], [3, 1, 0]])
    expected = {
        "accuracy": 0.5,
        "precision": 0.625,  # (2 * 1 + 1 * 1/2 + 1 * 0) / 4
        "recall": 0.5,
        "f1": 0.5,  # (2 * 2/3 + 1 * 2/3 + 1 * 0) / 4
        "macro_f1": 0.444444,  # (2/3 + 2/3 + 0) / 3: class 3 is guessed, but no image is of it
        "top3_accuracy": 0.75,
    }
    metrics = classification_metrics(labels, top, "0123456789")
    assert {name: metrics[name] for name in expected} == expected


def test_bymerge_has_47_classes_and_forgives_only_case_of_letters_that_look_alike():
    assert len(set(BYMERGE)) == 47
    labels, predictions = labels_of("oOsCzAaeE01"), labels_of("OoScZaAEeOl")
    top = np.stack([predictions, labels, labels], 1)
    metrics = classification_metrics(labels, top)
    assert metrics["accuracy"] == 0
    assert metrics["bymerge_accuracy"] == round(5 / 11, 6)


def test_per_class_table_has_every_character_even_without_images():
    rows = per_class_table(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 1, 1, 1]), "abc")
    assert [*rows[0]] == ["character", "support", "precision", "recall", "f1", "most_confused_with"]
    assert [[*row.values()] for row in rows] == [
        ["a", 3, 1.0, 0.333333, 0.5, "b"],
        ["b", 2, 0.5, 1.0, 0.666667, ""],
        ["c", 0, 0.0, 0.0, 0.0, ""],
    ]


def test_confusions_are_ranked_by_share_of_the_true_class_then_by_count():
    labels = np.array([0] * 10 + [1] * 4 + [2] * 2)
    predictions = np.array([0] * 5 + [1] * 3 + [2] * 2 + [0] * 2 + [1] * 2 + [0] + [2])
    assert most_confused(labels, predictions, 3) == [(1, 0, 2, 4), (2, 0, 1, 2), (0, 1, 3, 10)]
    assert most_confused(labels, predictions, 9)[3:] == [(0, 2, 2, 10)]
    assert most_confused(labels, labels, 5) == []
