"""Download or create the images, from the sources that params.yaml names."""

from emnist.data.datasets import RAW
from emnist.data.files import load_json, write_json
from emnist.sources import check_sources, join_titles, obtain
from emnist.utils.checkpoint import remove_stale_files
from emnist.utils.errors import run_cli


def main():
    remove_stale_files()
    sources = check_sources(load_json("data/sources.json"), "data/sources.json")
    obtain(sources, RAW)
    write_json(RAW / "source.json", {"title": join_titles(sources)})


if __name__ == "__main__":
    run_cli(main)
