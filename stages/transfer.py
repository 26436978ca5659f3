"""Score the ten-digit model on the test digits, beside its score on the training digits."""

from emnist.data.datasets import read_mnist
from emnist.data.files import read_json, write_json
from emnist.evaluation.metrics import classification_metrics
from emnist.models import load_model
from emnist.params import load_params
from emnist.training.batches import Images
from emnist.training.hardware import choose
from emnist.training.inference import top3
from emnist.utils.checkpoint import sweep
from emnist.utils.errors import run


def main():
    params = load_params()
    sweep()
    model, about = load_model("data/weights/transfer.safetensors")
    hardware = choose(params.compute, model)
    images, labels = read_mnist("t10k")
    top, _, _ = top3(hardware.place(model), Images(images, labels, hardware, about))
    write_json("metrics/transfer.json", {"train": read_json("metrics/transfer_train.json"),
                                         "test": classification_metrics(labels, top, bymerge=False)})


if __name__ == "__main__":
    run(main)
