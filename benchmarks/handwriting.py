"""How well the model in data/weights reads real handwriting that it was not trained on.

    python -m benchmarks.handwriting EMNIST_FOLDER MNIST_FOLDER

Both folders are in the official layout. MNIST's test digits are judged among the ten digits, the others among all 62.
"""

import argparse

import torch

from emnist.data.datasets import read_emnist, read_mnist
from emnist.models import load_model
from emnist.params import load_params
from emnist.training import hardware
from emnist.training.batches import ImageBatches
from emnist.utils.errors import run_cli


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("emnist", help="folder of emnist-byclass-test-*.gz")
    parser.add_argument("mnist", help="folder of t10k-*.gz")
    parser.add_argument("--weights", default="data/weights/finetune.safetensors")
    options = parser.parse_args()
    model, about = load_model(options.weights)
    chosen = hardware.setup_hardware(load_params().compute, model)
    model = chosen.to_device(model)
    for name, (images, labels), classes in [
        ("MNIST test, among the ten digits", read_mnist("t10k", options.mnist), 10),
        ("handwriting test, among 62", read_emnist("test", folder=options.emnist), 62),
    ]:
        print(
            f"{name}: {accuracy(model, ImageBatches(images, labels, chosen, about), classes):.2%} of {len(labels):,} images"
        )


@torch.inference_mode()
def accuracy(model, images, classes):
    correct = 0
    for batch, labels in images.eval_batches(1000):
        with images.hardware.autocast():
            correct += (model(batch)[:, :classes].argmax(1) == labels).sum().item()
    return correct / len(images)


if __name__ == "__main__":
    run_cli(main)
