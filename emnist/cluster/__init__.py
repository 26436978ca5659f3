"""Work on a Dask cluster, which decides no result."""

from contextlib import contextmanager

from emnist.utils.errors import UserError


@contextmanager
def requires_cluster_extra(name):
    """Tell in a ``with`` statement that imports what the extra `cluster` installs that `name` needs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"{name} needs {error.name}: run `pip install -e '.[cluster]'`") from None
