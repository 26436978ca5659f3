"""Loading of YAML that anyone may have written."""

import re
from collections import Counter

import yaml

MAX_BYTES = 200_000  # dvc.lock has an eighth of that
MAX_DEPTH = 50
MAX_REFERENCES = 10  # with more, a short file could stand for a value of any size

_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$")  # PyYAML takes 1e-05, as DVC writes it, for a string


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML's safe loader, in C where there is one, which also rejects duplicate keys."""

    def construct_mapping(self, node, deep=False):
        keys = Counter((key.tag, str(key.value)) for key, _ in node.value)
        for (_, key), count in keys.items():
            if count > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key '{key}' is given twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def load_yaml(content):
    """Load a value from YAML.

    Parameters
    ----------
    content : bytes or str

    Returns
    -------
    value

    Raises
    ------
    ValueError
        If it is not YAML, or too large; the message is one line.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has {len(content):,} bytes, more than {MAX_BYTES:,}")
    depth = references = 0
    try:
        for event in yaml.parse(content, _Loader):  # first, since loading needs room for every level and reference
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            references += isinstance(event, yaml.AliasEvent)
            if depth > MAX_DEPTH:
                raise yaml.YAMLError("it is nested too deeply")
            if references > MAX_REFERENCES:
                raise yaml.YAMLError(f"it has more than {MAX_REFERENCES} references (*NAME)")
        return yaml.load(content, _Loader)
    except Exception as error:  # PyYAML lets errors of all kinds through, such as of a date that does not exist
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ValueError(f"{problem}{place}") from None
