"""Sources of images, looked up by name.

Each module of this package is a source, except those whose names begin with an underscore. A source defines ``TITLE``
(str, for figures and tables), ``Options`` (a subclass of `emnist.utils.schema.Section`, the schema of download.NAME in
params.yaml) and ``obtain(options, folder, with_digits=True)``, which writes the eight files that
`emnist.data.datasets` loads: four of characters and, if `with_digits`, four of digits.
"""

import importlib
import pkgutil
from contextlib import ExitStack

from emnist.sources.folder import copy_folders
from emnist.utils.atomic import temporary_folder
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


def join_titles(names):
    """Join the titles of sources (iterable of str), for figures and tables."""
    return " and ".join(load_source(name).TITLE for name in names)


def obtain(sources, raw):
    """Write the eight files of one source, or of several together.

    The images of several sources follow each other in the order given. The ten digits are those of the first source.

    Parameters
    ----------
    sources : dict of str to Options
    raw : pathlib.Path
        Folder to which the files are written.

    Raises
    ------
    UserError
        If a source cannot be obtained.
    """
    if len(sources) == 1:
        ((name, options),) = sources.items()
        load_source(name).obtain(options, raw)
        return
    with ExitStack() as stack:
        folders = []
        for name, options in sources.items():
            folders.append(stack.enter_context(temporary_folder(raw, name)))
            load_source(name).obtain(options, folders[-1], with_digits=len(folders) == 1)
        copy_folders(folders, folders[0], raw)
