"""The characters that a picture may show, and the probabilities given that it shows one of them."""

import re
import unicodedata

import numpy as np

from emnist.utils.errors import UserError


class Alphabet:
    """Characters among which a network chooses.

    Parameters
    ----------
    classes : sequence of str
        The network's.
    characters : str, optional
        Such as ``0-9A-F``: characters and ranges; of classes with longer names, such as ``plus``, these. A
        space allows spaces between words. Default: all classes.
    ignore_case : bool
        Add up the probabilities of a letter's two cases. Of the two, the one that is named first is given.

    Attributes
    ----------
    characters : tuple of str
        What can be given as an answer.
    allows_space : bool
        Whether there may be spaces between words.

    Raises
    ------
    UserError
        If a character is not among the classes, or none is given.

    Examples
    --------
    >>> Alphabet("01ABab", "0-1a-b", ignore_case=True).restrict(np.array([[0.1, 0.1, 0.4, 0.1, 0.2, 0.1]]))
    array([[0.1, 0.1, 0.6, 0.2]])
    """

    def __init__(self, classes, characters=None, ignore_case=False):
        classes = tuple(classes)
        given = list(classes if characters is None else dict.fromkeys(_expand(characters, classes)))
        self.allows_space, given = characters is None or " " in given, [c for c in given if c != " "]
        if lacking := [c for c in given if c not in classes]:
            separator = " " if max(map(len, classes)) > 1 else ""
            raise UserError(
                f"the alphabet should hold characters of the network, which are {separator.join(classes)}, but holds "
                f"{', '.join(lacking[:10])}: leave out what the network lacks"
            )
        if not given:
            raise UserError("the alphabet should hold a character, but holds none: give one such as 0-9")
        by_name, self._classes = {}, classes
        for character in given:
            by_name.setdefault(character.lower() if ignore_case else character, character)
        self.characters = tuple(by_name.values())
        self._counts = np.zeros((len(classes), len(self.characters)), np.float32)
        for row, character in enumerate(classes):
            name = character.lower() if ignore_case else character
            if name in by_name:
                self._counts[row, self.characters.index(by_name[name])] = 1

    def gather(self, probabilities):
        """Gather the probabilities of these characters, float (N, characters), from (N, classes)."""
        return probabilities if self.characters == self._classes else probabilities @ self._counts

    def restrict(self, probabilities):
        """Compute probabilities given that it is one of these characters, float (N, characters), from (N, classes)."""
        if self.characters == self._classes:  # all of them: exactly what the network says
            return probabilities
        among = self.gather(probabilities) + 1e-12  # so that there is a sum where all are 0
        return among / among.sum(axis=1, keepdims=True)

    def rank(self, row):
        """List these characters with their probabilities, (characters,), the most probable first."""
        return [(self.characters[i], float(row[i])) for i in np.argsort(-row, kind="stable")]


def _expand(text, classes):
    """List the characters of an alphabet such as ``a-z0``."""
    characters, names = [], sorted((each for each in classes if len(each) > 1), key=len, reverse=True)
    patterns = [*map(re.escape, names), ".-.", "."]
    for part in re.findall("|".join(patterns), unicodedata.normalize("NFC", text), re.DOTALL):
        if len(part) == 1 or part in names:
            characters.append(part)
            continue
        first, last = part[0], part[2]
        if first > last:
            raise UserError(f"the alphabet's range {part} should rise, but falls: write {last}-{first}")
        characters += map(chr, range(ord(first), ord(last) + 1))
    return characters
