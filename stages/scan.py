"""Scan the folders of `source: folder` for changed files, each time that DVC runs the pipeline."""

from emnist.data.files import load_json, write_json
from emnist.utils.changes import fingerprint
from emnist.utils.errors import run_cli


def main():
    options = load_json("data/sources.json").get("folder") or {}
    folders = [*(options.get("emnist") or []), *filter(None, [options.get("mnist")])]
    write_json("data/folders.json", [fingerprint(folder) for folder in folders])


if __name__ == "__main__":
    run_cli(main)  # without the parameters, which take seconds to check
