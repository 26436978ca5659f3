"""The stages of dvc.yaml, one module each, run as ``python3 -m stages NAME``."""
