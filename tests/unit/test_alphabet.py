"""A known alphabet: probabilities are those given that it is one of its characters."""

import numpy as np
import pytest
from glyphs import glyph, on_paper

from emnist import Reader
from emnist.cli import run_command
from emnist.data.classes import CHARACTERS
from emnist.reading.alphabet import Alphabet
from emnist.utils.errors import UserError

RANDOM = np.random.default_rng(0).dirichlet(np.ones(62), 50).astype(np.float32)


def test_a_part_of_them_keeps_its_proportions_and_adds_up_to_one():
    alphabet = Alphabet(CHARACTERS, "0-9A-Fz")
    assert "".join(alphabet.characters) == "0123456789ABCDEFz"
    among = alphabet.restrict(RANDOM)
    chosen = RANDOM[:, [CHARACTERS.index(character) for character in alphabet.characters]]
    np.testing.assert_allclose(among, chosen / chosen.sum(axis=1, keepdims=True), rtol=1e-5)


def test_classes_of_several_letters_are_named_whole():
    alphabet = Alphabet(["plus", "p", "क्ष", "क", "ё"], "p plusक्षе\u0308")  # the last in two code points
    assert alphabet.characters == ("p", "plus", "क्ष", "ё") and alphabet.allows_space
    assert Alphabet(["plus", "p"], "plus").characters == ("plus",)


def test_two_cases_are_added_up():
    alphabet = Alphabet(CHARACTERS, ignore_case=True)
    among = alphabet.restrict(RANDOM)
    both = RANDOM[:, CHARACTERS.index("K")] + RANDOM[:, CHARACTERS.index("k")]
    assert len(alphabet.characters) == 36
    np.testing.assert_allclose(among[:, alphabet.characters.index("K")], both, rtol=1e-5)


def test_gathered_probabilities_lack_those_of_other_characters():
    probabilities = np.array([[0.25, 0.25, 0.5], [0.0, 0.125, 0.875]])
    assert Alphabet("01a", "1a").gather(probabilities).tolist() == [[0.25, 0.5], [0.125, 0.875]]
    assert Alphabet("01a", "01").gather(probabilities).sum(axis=1).tolist() == [0.5, 0.125]
    assert Alphabet("1Aa", "1a", ignore_case=True).gather(probabilities).tolist() == [[0.25, 0.75], [0.0, 1.0]]


@pytest.mark.parametrize(
    "characters, sentence",
    [
        ("a-zäß", "should hold characters of the network, which are 0123.* but holds ä, ß: leave out"),
        ("", "should hold a character, but holds none"),
        ("9-0", "range 9-0 should rise, but falls: write 0-9"),
    ],
)
def test_what_is_no_alphabet_is_refused_in_one_sentence(characters, sentence):
    with pytest.raises(UserError, match=sentence):
        Alphabet(CHARACTERS, characters)


def test_a_picture_is_predicted_among_what_is_possible():
    (digit,) = Reader("lenet").predict([on_paper(glyph())], characters="0-9", min_probability=1.1)
    assert digit.character == "?" and digit.probabilities[0][0] == "4" and len(digit.probabilities) == 10


@pytest.mark.parametrize(
    "options, answer",
    [
        ("--characters 0-9", "4 100.0%, "),
        ("--min-probability 0.5", "4 "),
        ("--characters xX --min-probability 0.99", "?"),
    ],
)
def test_the_command_answers_among_what_is_possible_or_with_a_question_mark(tmp_path, capsys, options, answer):
    on_paper(glyph()).save(tmp_path / "four.png")
    with pytest.raises(SystemExit) as ended:
        run_command("predict", [str(tmp_path / "four.png"), "--model", "lenet", *options.split()])
    assert not ended.value.code
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'four.png'}: {answer}")
