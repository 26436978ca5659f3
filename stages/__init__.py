"""The stages of dvc.yaml, one module each, run as ``python3 -m stages.<name>``."""

from emnist.utils.stage import prepare_process

prepare_process()
