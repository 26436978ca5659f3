"""The tiny pipeline, run once for all tests that look at its results."""

import os
import shutil
import signal
from pathlib import Path

import forked_python
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from pipeline_helpers import checkout, commit, run
from xdist.scheduler import LoadScopeScheduling

# A machine that is busy with something else is slow.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# One worker runs all tests of these files, or of these pairs of files, which share what takes seconds to make or import.
TOGETHER = [
    *("contributing", "own_characters", "page", "pages", "repositories", "serve", "static_page", "wheel"),
    *("export publish", "augmentation benchmarks"),  # share PyTorch's exporter; torchvision
]


def pytest_configure(config):
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")  # several tests run side by side
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores for what it runs by `&`
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # of a hook that runs the tests: commits would go there
        os.environ.pop(name, None)
    if not hasattr(config, "workerinput"):  # in the process that starts those in which test files run side by side
        os.environ["FORKED_PYTHON"] = str(forked_python.start())


class Scheduling(LoadScopeScheduling):
    """Spread the tests over the workers one by one, but those that are run `TOGETHER`.

    The marks of pytest-xdist for this, `xdist_group`, do nothing under pytest 9.2.
    """

    def _split_scope(self, nodeid):
        return run_together(nodeid) or nodeid


def run_together(nodeid):
    name = Path(nodeid.partition("::")[0]).stem.removeprefix("test_")
    return next((files for files in TOGETHER if name in files.split()), None)


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    """First comes a test that makes the tiny pipeline, then what needs none, so that no worker waits for it.

    Of both, the slow tests come first and then those that are run together, so that nothing long is left for the end.
    """
    first = next(filter(needs_pipeline, items), None)

    def place(item):
        is_long = item.get_closest_marker("slow"), run_together(item.nodeid)
        return item is not first, needs_pipeline(item), *(not each for each in is_long)

    items.sort(key=place)


def needs_pipeline(item):
    return "finished_pipeline" in item.fixturenames


@pytest.fixture(autouse=True)
def signal_handlers():
    """Restore what `run_cli` changes; the processes of later tests would inherit that a signal is ignored."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def finished_pipeline(tmp_path_factory, worker_id):
    """A checkout in which the pipeline has run from nothing and the results are committed. Not to be changed.

    Its folder has such a name as a person's may have. Its stages were forks; test_crash.py has a run of real processes.
    """
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent  # by the processes in which test files run side by side
    folder, done = shared / "émnist copy (1)", shared / "pipeline.done"
    with FileLock(shared / "pipeline.lock"):
        if not done.exists():
            folder.mkdir()
            checkout(folder)
            run("dvc repro", folder)
            run("git add dvc.lock metrics plots", folder)
            commit(folder, "The results of the tiny experiment")
            done.touch()
    return folder


@pytest.fixture
def pipeline(finished_pipeline, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(finished_pipeline, tmp_path / "pipeline", symlinks=True)
