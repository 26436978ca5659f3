"""Sources of images, looked up by name.

Each module of this package is a source, except those whose names begin with an underscore. A source defines ``TITLE``
(str, for figures and tables), ``Options`` (a subclass of `emnist.utils.schema.Section`, the schema of download.NAME in
params.yaml) and ``obtain(options, folder, dataset="byclass", with_digits=True)``, which writes the eight files that
`emnist.data.datasets` loads: four of characters and, if `with_digits`, four of digits. It may return another title.
"""

import importlib
import pkgutil
from contextlib import ExitStack

from emnist.data.datasets import EMNIST_PARTS, MNIST_PARTS
from emnist.sources._parts import as_written, write_parts
from emnist.utils.atomic import temporary_folder
from emnist.utils.names import check_name

SOURCES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def load_source(name):
    """Import the module of a source (str); `UserError` if it is none of `SOURCES`."""
    check_name(name, SOURCES, "the source")
    return importlib.import_module(f"emnist.sources.{name}")


def join_titles(names):
    """Join the titles of sources (iterable of str), for figures and tables."""
    return " and ".join(load_source(name).TITLE for name in names)


def obtain(sources, raw, dataset="byclass"):
    """Write the eight files of one source, or of several together.

    The images of several sources follow each other in the order given. The ten digits are those of the first source.

    Parameters
    ----------
    sources : dict of str to Options
    raw : pathlib.Path
        Folder to which the files are written.
    dataset : str or list of str
        As in `emnist.data.classes`.

    Returns
    -------
    str
        The titles of the sources, joined, for figures and tables.

    Raises
    ------
    UserError
        If a source cannot be obtained.
    """
    titles, folders = [], []
    with ExitStack() as stack:
        for name, options in sources.items():
            source = load_source(name)
            folders.append(raw if len(sources) == 1 else stack.enter_context(temporary_folder(raw, name)))
            titles.append(source.obtain(options, folders[-1], dataset, with_digits=len(folders) == 1) or source.TITLE)
        if len(sources) > 1:
            for parts, some, transposed in ((EMNIST_PARTS, folders, True), (MNIST_PARTS, folders[:1], False)):
                loaded = [[as_written(folder, part, transposed) for part in parts] for folder in some]
                write_parts(loaded, raw, parts, transposed)
    return " and ".join(titles)
