"""Check params.yaml before any work is done."""

from emnist.errors import run
from emnist.files import write_bytes
from emnist.params import load_params


def main():
    load_params()
    # Always the same bytes, so that a change of parameters re-runs only the stages that read them.
    write_bytes("data/checked", b"params.yaml holds what the stages expect\n")


if __name__ == "__main__":
    run(main)
