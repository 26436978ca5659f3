"""Names that a user gives, checked against those that exist."""

import difflib
import reprlib

from emnist.utils.errors import UserError, printable

_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxstring, _REPR.maxother = 3, 80, 80


def check_name(name, choices, place):
    """Raise `UserError`, with the nearest choice, if a name (str) is not among the choices (iterable of str).

    `place` says in the error where the name comes from, such as a parameter.
    """
    if name not in (choices := list(choices)):
        raise UserError(
            f"{place} should be one of {', '.join(choices)}, but is {shorten(name)}{nearest(name, choices)}"
        )


def nearest(word, choices):
    """Return " (did you mean CHOICE?)" with the choice that is spelt most alike, or "" if none is."""
    near = difflib.get_close_matches(str(word)[:80], choices, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def shorten(value, length=60):
    """Show a value, however large or deep, in at most so many characters."""
    try:
        return printable(_REPR.repr(value))[:length]
    except (ValueError, RecursionError):  # a number may have more digits than Python prints
        return f"a large {type(value).__name__}"
