"""Accuracy, size and speed of the pretrained networks in PyTorch and in ONNX, in single precision and in 8-bit integers.

    python -m benchmarks.export FOLDER

The ranges of the 8-bit integers are set by training images. One thread each; a second is one of processor time.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from model_helpers import probabilities

from benchmarks import add_names, make_parser, print_header, print_row
from emnist.data.datasets import load_emnist
from emnist.evaluation.metrics import compare_probabilities
from emnist.export import quantize, to_bytes, to_onnx
from emnist.models import PRETRAINED, load_pretrained
from emnist.reading.network import Network
from emnist.utils.errors import run_cli
from stages.export import CALIBRATION_IMAGES

BATCHES = 1, 256


def main():
    parser = make_parser(__doc__, "FOLDER")
    add_names(parser, "--models", PRETRAINED)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement of speed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    calibration, _ = load_emnist("train", CALIBRATION_IMAGES, folder=options.folder)
    images, labels = load_emnist("test", folder=options.folder)
    print(f"{len(labels):,} test images\n")
    rates = [f"images/s, {batch} at once" for batch in BATCHES]
    print_header("network", "", "bytes", "accuracy (%)", "differing predictions", "largest difference", *rates)
    for name in options.models:
        model, metadata = load_pretrained(name)
        exported = to_onnx(model, metadata)
        with tempfile.TemporaryDirectory() as folder:
            files = {
                "float32": (Path(folder, "float32.onnx"), to_bytes(exported)),
                "int8": (Path(folder, "int8.onnx"), to_bytes(quantize(exported, calibration))),
            }
            for path, content in files.values():
                path.write_bytes(content)
            size = sum(tensor.nbytes for tensor in model.state_dict().values())
            contenders = {"PyTorch": (partial(probabilities, model, metadata), size)}
            for kind, (path, content) in files.items():
                contenders[f"ONNX, {kind}"] = Network(path).probabilities, len(content)
            results = {kind: predict(images) for kind, (predict, _) in contenders.items()}
            for kind, (predict, size) in contenders.items():
                accuracy, differing, largest = compare_probabilities(results[kind], results["PyTorch"], labels).values()
                rates = [images_per_second(predict, images[:batch], options.seconds) for batch in BATCHES]
                scores = [f"{100 * accuracy:.2f}", differing, f"{largest:.1g}"]
                print_row(name, kind, f"{size:,}", *scores, *(f"{rate:,.0f}" for rate in rates))


def images_per_second(predict, images, seconds):
    """Measure images a second of processor time, which other processes hardly change."""
    predict(images)  # the first call is slower
    start, calls = time.process_time(), 0
    while time.process_time() - start < seconds:
        predict(images)
        calls += 1
    return calls * len(images) / (time.process_time() - start)


if __name__ == "__main__":
    run_cli(main)
