"""The stages of dvc.yaml, one module each, run as ``python3 -m stages.<name>``."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path


def use_own_environment():
    """Start this stage again in the environment that has PyTorch, where `python3` is of another.

    That is so where DVC is started from an environment that is not activated, as ``.venv/bin/dvc`` by cron or an editor:
    a stage inherits the PATH, not DVC's own Python. Any Python 3 can run this.
    """
    activated = sys.prefix != sys.base_prefix or "CONDA_PREFIX" in os.environ
    if activated and find_spec("torch"):
        return
    try:
        dvc = Path(f"/proc/{os.getppid()}/cmdline").read_text().split("\0")[0]  # the Python that runs it
    except OSError:  # no Linux
        dvc = ""
    here = Path.cwd()  # of a queued experiment, below the project's folder
    for folder in [Path(dvc).parent.parent, *(each / ".venv" for each in [here, *here.parents])]:
        if any(folder.glob("lib/python3*/site-packages/torch")):
            if folder.resolve() != Path(sys.prefix).resolve():
                python, stage = str(folder / "bin/python"), os.environ["DVC_STAGE"].split(":")[-1]
                os.execv(python, [python, "-m", f"stages.{stage}"])
            return
    if not find_spec("torch"):
        sys.exit(
            f"error: python3 should be that of the environment that has PyTorch, but is {sys.executable}: activate "
            "that, as by `source .venv/bin/activate`, then run the same command again"
        )


if sys.argv[0] == "-m" and "DVC_STAGE" in os.environ:
    use_own_environment()

from emnist.utils.stage import prepare_process  # noqa: E402 - which needs the right Python

prepare_process()
