"""Export the fine-tuned model to ONNX, in single precision and quantised to 8-bit integers."""

import numpy as np

from emnist.data.datasets import RAW, load_split
from emnist.data.files import load_json
from emnist.data.subsets import stratified
from emnist.export import quantize, to_bytes, to_onnx
from emnist.models import load_model
from emnist.utils.atomic import write_bytes
from stages._process import run_stage

CALIBRATION_IMAGES = 500  # training images that set the ranges of the 8-bit integers


def main(params):
    model, metadata = load_model("data/weights/finetune.safetensors")
    images, labels, _ = load_split()
    title = load_json(RAW / "source.json")["title"]
    network = to_onnx(model, metadata, data=title.removeprefix("the "), recipe=params.recipe)
    chosen = stratified(labels, min(CALIBRATION_IMAGES, len(labels)), np.random.default_rng(params.seed))
    quantized = quantize(network, images[np.sort(chosen)])
    write_bytes("data/model/emnist.onnx", to_bytes(network))
    write_bytes("data/model/emnist-int8.onnx", to_bytes(quantized))


if __name__ == "__main__":
    run_stage(main)
