"""The data sets of params.yaml, and their classes."""

import unicodedata

import numpy as np
import pytest

from emnist.data.classes import (
    BYMERGE,
    CHARACTERS,
    DATASETS,
    check_dataset,
    classes_of,
    from_byclass,
    pack_classes,
    parse_classes,
)


@pytest.mark.parametrize(
    "dataset, count, first, last",
    [("byclass", 62, "0", "z"), ("bymerge", 47, "0", "t"), ("balanced", 47, "0", "t"), ("letters", 26, "A", "Z")],
)
def test_a_data_set_has_its_official_classes(dataset, count, first, last):
    classes = classes_of(dataset)
    assert (len(classes), classes[0], classes[-1]) == (count, first, last)


def test_bymerge_is_in_the_order_of_the_official_mapping():
    assert "".join(DATASETS["bymerge"]) == CHARACTERS[:36] + "abdefghnqrt"  # emnist-bymerge-mapping.txt


def test_the_mappings_of_byclass_agree():
    merged = from_byclass("bymerge")
    same = merged[:, None] == merged
    assert np.array_equal(same, BYMERGE[:, None] == BYMERGE)
    letters = from_byclass("letters")
    assert (letters[:10] == -1).all() and np.array_equal(letters[10:36], letters[36:])
    assert np.array_equal(from_byclass("digits"), [*range(10), *[-1] * 52])


def test_a_list_of_characters_is_composed_and_keeps_its_order():
    assert check_dataset(["b", "е\u0308", "क्ष", "plus", 7]) == ["b", "ё", "क्ष", "plus", "7"]
    assert check_dataset("а б plus") == ["а", "б", "plus"]  # which needs no quotes inside `-S`


@pytest.mark.parametrize(
    "value, said",
    [
        ("letter", r"should be one of byclass, .* or a list of characters .*\(did you mean letters\?\)"),
        ("абв", "or a list of characters such as"),
        (None, "should be one of"),
        (["а"], r"should list 2 to 256 characters \(not 1\)"),
        ([chr(0x4E00 + n) for n in range(300)], r"should list 2 to 256 characters \(not 300\)"),
        (["é", "a", unicodedata.normalize("NFD", "é")], r"should list each character once \(not é twice\)"),
        (["a", ""], r"each as text, .* \(not ''\)"),
        (["a", " "], r"each as text, .* \(not ' '\)"),
        (["a", True], r"each as text, in quotes if in doubt \(not True\)"),
        (["a", "b\n"], "each as text"),
        (["a", ["b"]], "each as text"),
    ],
)
def test_what_is_no_data_set_is_refused(value, said):
    with pytest.raises(ValueError, match=said):
        check_dataset(value)


@pytest.mark.parametrize("classes", ["01", ["plus", "minus"], ["[", '"', "]"], ["क्ष", "["], CHARACTERS])
def test_classes_survive_the_metadata_of_a_file(classes):
    import json

    packed = pack_classes(classes)
    assert parse_classes(packed if isinstance(packed, str) else json.dumps(packed)) == tuple(classes)
