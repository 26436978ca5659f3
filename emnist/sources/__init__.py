"""Sources of images, found by name.

Each module here is a source, but those whose names begin with an underscore. It holds ``TITLE`` (str, for pictures and
tables), ``Options`` (a subclass of `emnist.params.Section`, what params.yaml holds under download.NAME) and ``obtain``,
which is called with these options and a folder, and writes there the eight files of `emnist.data.datasets`.
"""

import importlib
import pkgutil

from emnist.params import check_name

SOURCES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def load_source(name):
    """Import a source.

    Parameters
    ----------
    name : str
        One of `SOURCES`.

    Returns
    -------
    module

    Raises
    ------
    UserError
        If there is no such source.
    """
    check_name(name, SOURCES, "the source")
    return importlib.import_module(f"emnist.sources.{name}")
