"""The stages of dvc.yaml, a module each, run as ``python -m stages.<name>``."""

import ctypes
import os
import signal
import sys

from emnist.utils.errors import exit_on_signals

if sys.argv[0] == "-m":  # so Python says while it looks for the module to run
    exit_on_signals()  # its imports alone take seconds
    if "DVC_STAGE" in os.environ and sys.platform == "linux":
        # Whatever ends DVC ends the stage: it would go on beside the one that the next `dvc repro` starts.
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
