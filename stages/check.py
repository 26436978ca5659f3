"""Check params.yaml before any work is done."""

from emnist.check import check_names
from emnist.params import load_params
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import run_cli


def main():
    check_names(load_params())
    # Always the same bytes, so that a change of a parameter re-runs only the stages that depend on it.
    write_bytes("data/checked", b"params.yaml holds what the stages expect\n")


if __name__ == "__main__":
    run_cli(main)
