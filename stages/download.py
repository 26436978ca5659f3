"""Download or create the images, from the sources that params.yaml names."""

from emnist.data.datasets import RAW
from emnist.data.files import write_json
from emnist.sources import join_titles, obtain
from emnist.utils.stage import run_stage


def main(params):
    # The same as in data/sources.json, by which DVC knows when to run this stage again.
    obtain({name: params.download[name] for name in params.source}, RAW)
    write_json(RAW / "source.json", {"title": join_titles(params.source)})


if __name__ == "__main__":
    run_stage(main)
