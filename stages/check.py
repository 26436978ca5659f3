"""Check params.yaml before any work is done."""

from emnist.check import check_names
from emnist.data.files import write_json
from emnist.params import as_list, load_params
from emnist.utils.checkpoint import remove_stale_files
from emnist.utils.errors import run_cli


def main():
    params = load_params()
    remove_stale_files()
    check_names(params)
    # Nothing else, so that a change of another parameter re-runs only the stages that depend on it.
    write_json("data/sources.json", {name: params.download[name] for name in as_list(params.source)})


if __name__ == "__main__":
    run_cli(main)
