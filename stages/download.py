"""Download or create the images, from the sources that params.yaml names."""

from emnist.data.classes import classes_of
from emnist.data.datasets import RAW, paths
from emnist.data.files import write_json
from emnist.data.idx import load_labels
from emnist.sources import obtain
from emnist.sources._checks import check_images
from emnist.utils.progress import log
from stages._process import run_stage


def main(params):
    # The same as in data/sources.json, by which DVC knows when to run this stage again.
    title = obtain({name: params.download[name] for name in params.source}, RAW, params.dataset)
    for doubt in check_images(RAW, params.dataset):
        log(f"warning: {doubt}")
    test_images = len(load_labels(paths(RAW, "emnist-byclass-test")[1], len(classes_of(params.dataset))))
    write_json(RAW / "source.json", {"title": title, "test_images": test_images})


if __name__ == "__main__":
    run_stage(main)
