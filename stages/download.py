"""Download or create the images, from the source that params.yaml names."""

from emnist.data.datasets import RAW
from emnist.data.files import write_json
from emnist.params import check_options, load_params
from emnist.sources import load_source
from emnist.utils.checkpoint import remove_stale_files
from emnist.utils.errors import run_cli


def main():
    params = load_params()
    remove_stale_files()
    source = load_source(params.source)
    options = check_options(source.Options, params.download[params.source], f"download.{params.source}")
    source.obtain(options, RAW)
    write_json(RAW / "source.json", {"title": source.TITLE})


if __name__ == "__main__":
    run_cli(main)
