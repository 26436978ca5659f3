"""`emnist.Reader`: what it takes from Python, and what it gives."""

import typing
from pathlib import Path

import numpy as np
import pytest
from glyphs import glyph, on_paper

import emnist
from emnist.reading.reader import Prediction


@pytest.fixture(scope="module")
def reader():
    return emnist.Reader("lenet")


def test_no_picture_gives_no_prediction(reader):
    assert reader.predict([]) == reader.predict(iter([])) == []


def test_a_single_picture_is_taken_as_a_list_of_one(reader, tmp_path):
    path, picture = tmp_path / "four.png", on_paper(glyph())
    picture.save(path)
    pixels = np.asarray(picture)
    with path.open("rb") as file:
        for one in [str(path), path, path.read_bytes(), file, picture, pixels, np.stack(3 * [pixels], axis=2)]:
            assert [each.character for each in reader.predict(one)] == ["4"]
    assert [each.character for each in reader.predict(np.stack([pixels, pixels]))] == ["4", "4"]


def test_type_checkers_find_what_a_prediction_holds():
    assert typing.get_type_hints(emnist.Reader.predict)["return"] == list[Prediction]
    assert typing.get_type_hints(Prediction)["probabilities"] == list[tuple[str, float]]
    assert (Path(emnist.__file__).parent / "py.typed").exists()
