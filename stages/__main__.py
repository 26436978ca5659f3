"""Run a stage: ``python3 -m stages NAME``."""

import importlib
import sys

from emnist.utils.stage import prepare_process, run_stage

if __name__ == "__main__":
    prepare_process(sys.argv[1])
    run_stage(importlib.import_module(f"stages.{sys.argv[1]}").main)
