"""Check params.yaml before any work is done."""

from pathlib import Path

from emnist.params import load_params
from emnist.search import check_trials
from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError, run_cli


def main():
    params = load_params()
    check_trials(params)
    folders = [Path(folder) for folder in (params.download.folder.emnist, params.download.folder.mnist) if folder]
    if params.source == "folder" and any(folder.resolve() == Path("data/raw").resolve() for folder in folders):
        raise UserError(
            "params.yaml: download.folder is data/raw, which is emptied before files are copied to it: "
            "move your files to another folder"
        )
    # Always the same bytes, so that a change of parameters re-runs only the stages that read them.
    write_bytes("data/checked", b"params.yaml holds what the stages expect\n")


if __name__ == "__main__":
    run_cli(main)
