"""Processor cores, and environment variables of the libraries that compute."""

import os

from emnist.utils.errors import UserError


def cores():
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def check_version(package, found, oldest):
    """Raise `UserError` if the version `found` (str) of a package (str) is older than `oldest` (str)."""
    if [int(part) for part in found.split(".")[:2]] < [int(part) for part in oldest.split(".")]:
        raise UserError(
            f"{package} should be at least {oldest}, but {found} is installed: run `pip install '{package}>={oldest}'`"
        )


def set_environment():
    """Set what libgomp and ONNX Runtime read when they are first imported, unless the user has set it.

    ``GOMP_SPINCOUNT`` is how often a thread of libgomp that waits for the others spins before it sleeps. Two trainings of
    vggnet side by side on two cores do 393 images a second together with libgomp's default of 300,000, and 611 with this
    value. A single training is equally fast with both.

    ONNX Runtime sends telemetry from Linux since version 1.29, unless ``ORT_DISABLE_TELEMETRY`` is set.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
