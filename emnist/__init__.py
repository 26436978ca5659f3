"""Models, data and training loops of a reproducible EMNIST ByClass pipeline; `emnist.Reader` reads pictures."""

from emnist.utils.environment import set_environment

set_environment()


def __getattr__(name):
    """Import `Reader` when it is first used: nothing else of this package needs what it needs."""
    if name == "Reader":
        from emnist.reading.reader import Reader

        return Reader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
