"""Obtain the images: rendered here, from the official archive, or from a folder."""

from emnist.data import idx
from emnist.data.datasets import RAW
from emnist.params import load_params
from emnist.utils.checkpoint import Checkpoint, remove_stale_files, repo_root
from emnist.utils.errors import UserError, run_cli


def main():
    params = load_params()
    remove_stale_files()
    {"sample": render_sample, "emnist": download_archive, "folder": copy_folder}[params.source](params.download)


def render_sample(options):
    from emnist.sources.sample import digits, render

    train_images, train_labels, test_images, test_labels = render(**dict(options.sample))
    for part, images, labels in [("train", train_images, train_labels), ("test", test_images, test_labels)]:
        idx.write_images(RAW / f"emnist-byclass-{part}-images-idx3-ubyte.gz", images, transposed=True)
        idx.write_labels(RAW / f"emnist-byclass-{part}-labels-idx1-ubyte.gz", labels)
    train_images, train_labels, test_images, test_labels = digits()
    for part, images, labels in [("train", train_images, train_labels), ("t10k", test_images, test_labels)]:
        idx.write_images(RAW / f"{part}-images-idx3-ubyte.gz", images)
        idx.write_labels(RAW / f"{part}-labels-idx1-ubyte.gz", labels)


def download_archive(options):
    from emnist.sources.archive import download_emnist, download_mnist

    kept = Checkpoint("download-emnist")
    download_emnist(options.emnist.mirrors, RAW, kept.folder)
    download_mnist(options.emnist.mnist_mirrors, RAW, kept.folder)
    kept.mark_complete(*sorted(RAW.glob("*.gz")))


def copy_folder(options):
    from emnist.sources import folder

    if options.folder.emnist is None:
        raise UserError(
            "params.yaml: source is folder, but download.folder.emnist is null: give it the path of the "
            "folder that holds the emnist-byclass-*.gz files"
        )
    # Relative to the checkout, also from a queued experiment's own workspace.
    emnist = repo_root() / options.folder.emnist
    folder.copy_folder(emnist, repo_root() / options.folder.mnist if options.folder.mnist else emnist, RAW)


if __name__ == "__main__":
    run_cli(main)
