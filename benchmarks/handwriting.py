"""Accuracy of the model in data/weights on real handwriting.

    python -m benchmarks.handwriting FOLDER MNIST_FOLDER

Both folders are in the official layout. MNIST's test images are classified among the ten digits, EMNIST's among all
62 characters.
"""

import torch

from benchmarks import make_parser
from emnist.data.datasets import load_emnist, load_mnist
from emnist.models import load_model
from emnist.params import load_params
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.utils.errors import run_cli


def main():
    parser = make_parser(__doc__)
    parser.add_argument("emnist", metavar="FOLDER", help="folder of emnist-byclass-test-*.gz")
    parser.add_argument("mnist", metavar="MNIST_FOLDER", help="folder of t10k-*.gz")
    parser.add_argument("--weights", default="data/weights/finetune.safetensors")
    options = parser.parse_args()
    model, metadata = load_model(options.weights)
    hardware = setup_hardware(load_params().compute, model)
    model = hardware.to_device(model)
    for name, (images, labels), classes in [
        ("MNIST test, among the ten digits", load_mnist("t10k", options.mnist), 10),
        ("handwriting test, among 62", load_emnist("test", folder=options.emnist), 62),
    ]:
        score = accuracy(model, ImageBatches(images, labels, hardware, metadata), classes)
        print(f"{name}: {score:.2%} of {len(labels):,} images")


@torch.inference_mode()
def accuracy(model, images, classes):
    """Compute a model's accuracy (0 to 1) on `ImageBatches`, where it chooses among the first `classes` (int) only."""
    correct = 0
    for batch, labels in images.eval_batches(1000):
        with images.hardware.autocast():
            correct += (model(batch)[:, :classes].argmax(1) == labels).sum().item()
    return correct / len(images)


if __name__ == "__main__":
    run_cli(main)
