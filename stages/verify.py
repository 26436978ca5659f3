"""Read the test images with the exported networks, and compare with PyTorch's readings."""

from pathlib import Path

from emnist.data.datasets import load_emnist
from emnist.data.files import write_json
from emnist.evaluation.parity import parity
from emnist.models import load_model
from emnist.params import load_params
from emnist.reading.network import Network
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_probabilities
from emnist.utils.checkpoint import remove_stale_files
from emnist.utils.errors import run_cli

MAX_LOSS = 0.002  # of the accuracy, at which the 8-bit network is still recommended


def main():
    params = load_params()
    remove_stale_files()
    model, metadata = load_model("data/weights/finetune.safetensors")
    hardware = setup_hardware(params.compute.model_copy(update={"device": "cpu", "precision": "float32"}), model)
    images, labels = load_emnist("test", params.split[params.size].test, params.seed)
    expected = predict_probabilities(model, ImageBatches(images, labels, hardware, metadata))

    scores = {"images": len(labels)}
    for name, path in [("float32", "data/model/emnist.onnx"), ("int8", "data/model/emnist-int8.onnx")]:
        scores[name] = parity(Network(path).probabilities(images), expected, labels)
        scores[name]["bytes"] = Path(path).stat().st_size
    loss = scores["float32"]["accuracy"] - scores["int8"]["accuracy"]
    scores["int8"]["recommended"] = round(loss, 6) <= MAX_LOSS
    write_json("metrics/export.json", scores)


if __name__ == "__main__":
    run_cli(main)
