"""The stages of dvc.yaml, one module each, run as ``python3 -m stages.<name>``."""

from stages._process import prepare_process

prepare_process()
