"""Reading of YAML that anyone may have written."""

import re
from collections import Counter

import yaml

MAX_BYTES = 40_000  # params.yaml has a seventh of that; PyYAML may take a second for 20 kB
MAX_DEPTH = 50
MAX_REFERENCES = 10  # with more, a short file could stand for a value of any size


_EXPONENT = re.compile(
    r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"
)  # such as 1e-05, as DVC writes it: PyYAML takes it for a string


class _OwnLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML's safe loader in C, where there is one."""


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also rejects duplicate keys, deep nesting and many references."""

    depth = references = 0

    def compose_node(self, parent, index):
        self.references += self.check_event(yaml.AliasEvent)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError("it is nested too deeply")
        if self.references > MAX_REFERENCES:
            raise yaml.YAMLError(f"it has more than {MAX_REFERENCES} references (*NAME)")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        try:
            repeated = [key for key, count in Counter(keys).items() if count > 1]
        except TypeError:  # a key that is no string or number, which YAML's loader refuses
            repeated = []
        if repeated:
            raise yaml.constructor.ConstructorError(
                problem=f"the key '{repeated[0]}' is given twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


for _loader in (_Loader, _OwnLoader):
    _loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def load_yaml(content):
    """Read a value from YAML.

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
    try:
        return yaml.load(content, Loader=_Loader)
    except Exception as error:  # PyYAML lets errors of all kinds through, such as of a date that does not exist
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split()) or "it is nested too deeply"
        raise ValueError(f"{problem}{place}") from None


def load_own_yaml(content):
    """Read a value from YAML that a program wrote, many times faster than `load_yaml`.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    value

    Raises
    ------
    ValueError
        If it has references, which could stand for a value of any size.
    yaml.YAMLError
        If it is not YAML.
    """
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content, _OwnLoader)):
        raise ValueError("it has references (*NAME)")
    return yaml.load(content, _OwnLoader)
