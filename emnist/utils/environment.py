"""What a process has of the machine, its environment variables, and its end."""

import ctypes
import math
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from emnist.utils.errors import UserError


def cores():
    """Count the processor cores that this process may use.

    That is the least of those that it may run on, of what its container's quota is worth, and of ``LOKY_MAX_CPU_COUNT``,
    which joblib obeys, too.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return math.ceil(min(usable, cpu_quota(), int(os.environ.get("LOKY_MAX_CPU_COUNT", usable))))


def cpu_quota(membership="/proc/self/cgroup", root="/sys/fs/cgroup"):
    """Return how many cores' time this process's control groups allow (cgroup v1 or v2), infinite without a limit.

    joblib and loky look at the root of the tree alone, where systemd and SLURM set no limit.
    """
    allowed, lines = math.inf, []
    with suppress(OSError):  # no Linux
        lines = Path(membership).read_text().splitlines()
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        tree = Path(root, "cpu" if controllers else "")
        files = ["cpu.cfs_quota_us", "cpu.cfs_period_us"] if controllers else ["cpu.max"]
        # In a container the tree's root may be this process's group, whatever the group's path is outside.
        for folder in [Path(group), *Path(group).parents]:
            with suppress(OSError, ValueError):  # no such folder, or "max"
                contents = [(tree / folder.relative_to("/") / name).read_text() for name in files]
                quota, period = map(int, " ".join(contents).split())
                allowed = min(allowed, quota / period if quota > 0 else math.inf)
    return allowed


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

    Jupyter and Colab set ``MPLBACKEND`` to a module of their own, without which Matplotlib cannot be imported in the
    processes that they start. It is removed where this environment lacks the module.
    """
    scheme, _, module = os.environ.get("MPLBACKEND", "").partition("://")
    if scheme == "module" and find_spec(module.split(".")[0]) is None:
        del os.environ["MPLBACKEND"]
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def end_with_parent(number, parent=None):
    """Have the system send this process a signal (signal.Signals) when the one that started it ends, on Linux.

    If the process `parent` (int) is given, and has ended already, the signal is sent now.
    """
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if parent not in (None, os.getppid()):
            os.kill(os.getpid(), number)
