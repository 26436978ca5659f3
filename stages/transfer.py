"""Score the ten-digit model on the test digits."""

from emnist.data.datasets import load_mnist
from emnist.data.files import load_json, write_json
from emnist.evaluation.metrics import classification_metrics
from emnist.models import load_model
from emnist.params import load_params
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3
from emnist.utils.checkpoint import remove_stale_files
from emnist.utils.errors import run_cli


def main():
    params = load_params()
    remove_stale_files()
    model, metadata = load_model("data/weights/transfer.safetensors")
    hardware = setup_hardware(params.compute, model)
    images, labels = load_mnist("t10k")
    top3, _, _ = predict_top3(hardware.to_device(model), ImageBatches(images, labels, hardware, metadata))
    write_json(
        "metrics/transfer.json",
        {
            "train": load_json("metrics/transfer_train.json"),
            "test": classification_metrics(labels, top3, bymerge=False),
        },
    )


if __name__ == "__main__":
    run_cli(main)
