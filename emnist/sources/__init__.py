"""Sources of images, looked up by name.

Each module of this package is a source, except those whose names begin with an underscore. A source defines ``TITLE``
(str, for figures and tables), ``Options`` (a subclass of `emnist.params.Section`, the schema of download.NAME in
params.yaml) and ``obtain(options, folder)``, which writes the eight files that `emnist.data.datasets` reads.
"""

import importlib
import pkgutil

from emnist.utils.names import check_name

SOURCES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def load_source(name):
    """Import the module of a source.

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
