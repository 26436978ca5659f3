"""Export the fine-tuned model to ONNX, in single precision and quantised to 8-bit integers."""

import numpy as np

from emnist.data.datasets import load_split
from emnist.data.files import load_json
from emnist.data.subsets import stratified
from emnist.export import quantize, to_bytes, to_onnx
from emnist.models import load_model
from emnist.params import load_params
from emnist.utils.atomic import write_bytes
from emnist.utils.checkpoint import remove_stale_files
from emnist.utils.errors import run_cli

CALIBRATION_IMAGES = 500  # training images that set the ranges of the 8-bit integers


def main():
    params = load_params()
    remove_stale_files()
    images, labels, _ = load_split()
    model, metadata = load_model("data/weights/finetune.safetensors")
    data = load_json("metrics/split.json")["source"]
    network = to_onnx(model, metadata, data=data, recipe=params.recipe)
    chosen = stratified(labels, min(CALIBRATION_IMAGES, len(labels)), np.random.default_rng(params.seed))
    quantized = quantize(network, images[np.sort(chosen)])
    write_bytes("data/model/emnist.onnx", to_bytes(network))
    write_bytes("data/model/emnist-int8.onnx", to_bytes(quantized))


if __name__ == "__main__":
    run_cli(main)
