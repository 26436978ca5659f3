"""Names that a user gives, checked against those that exist."""

import difflib

from emnist.utils.errors import UserError


def check_name(name, choices, place):
    """Raise `UserError`, with the nearest choice, if a name is not among the choices.

    Parameters
    ----------
    name : str
    choices : iterable of str
    place : str
        Where the name comes from, for the error, such as a parameter.
    """
    if name not in (choices := list(choices)):
        raise UserError(f"{place} should be one of {', '.join(choices)}, but is {name!r:.60}{nearest(name, choices)}")


def nearest(word, choices):
    """Return " (did you mean CHOICE?)" with the choice that is spelt most alike, or "" if none is."""
    near = difflib.get_close_matches(str(word), choices, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def printable(name):
    """Show a name, such as a file's, without the characters that a terminal obeys: they are escaped, as in a literal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(name))
