"""Signals in the process of a stage."""

import ctypes
import os
import signal
import sys

from emnist.utils.errors import exit_on_signals


def prepare_process():
    """End a stage that is run by ``python -m`` with one sentence on a signal, and together with DVC."""
    if sys.argv[0] == "-m":  # its value while Python looks for the module to run
        exit_on_signals()  # during the imports of the stage, which take seconds
        if "DVC_STAGE" in os.environ and sys.platform == "linux":
            # End the stage if DVC ends: otherwise it would run beside the one that the next `dvc repro` starts.
            PR_SET_PDEATHSIG = 1
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
