"""Download or create the images, from the sources that params.yaml names."""

from emnist.data.datasets import RAW
from emnist.data.files import write_json
from emnist.sources import obtain
from emnist.sources._checks import check_images
from emnist.utils.progress import log
from emnist.utils.stage import run_stage


def main(params):
    # The same as in data/sources.json, by which DVC knows when to run this stage again.
    title = obtain({name: params.download[name] for name in params.source}, RAW, params.dataset)
    for doubt in check_images(RAW, params.dataset):
        log(f"warning: {doubt}")
    write_json(RAW / "source.json", {"title": title})


if __name__ == "__main__":
    run_stage(main)
