"""Train a new head for ten digits on the frozen features of the fine-tuned or the initial model, and score it."""

from emnist.data.classes import DATASETS
from emnist.data.datasets import load_mnist
from emnist.data.files import write_json, write_rows
from emnist.data.subsets import statistics
from emnist.evaluation.metrics import classification_metrics
from emnist.models import load_model, replace_head
from emnist.models.weights import save_weights
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3
from emnist.training.loop import fit, seed_torch
from emnist.training.recipe import transfer_recipe
from emnist.transfer import Features, Head
from emnist.utils.checkpoint import Checkpoint
from emnist.utils.stage import stage_key
from stages._process import run_stage

DIGITS = DATASETS["mnist"]


def main(params):
    images, labels = load_mnist("train")
    pixel_stats = statistics(images)
    model, metadata = load_model(f"data/weights/{params.transfer.weights}.safetensors")
    seed_torch(params.seed, "head")
    model = replace_head(model, num_classes=10)
    hardware = setup_hardware(params.compute, model)
    head = Head(hardware.to_device(model))
    features = Features(model, ImageBatches(images, labels, hardware, pixel_stats))
    checkpoint = Checkpoint(stage_key("transfer", params, hardware.as_dict()))
    history = fit("transfer", head, transfer_recipe(params), features, seed=params.seed, checkpoint=checkpoint)

    save_weights("data/weights/transfer.safetensors", model, **metadata | pixel_stats | {"classes": DIGITS})
    write_rows("plots/transfer.csv", history)
    test_images, test_labels = load_mnist("t10k")
    test = ImageBatches(test_images, test_labels, hardware, pixel_stats)
    write_json(
        "metrics/transfer.json",
        {
            "train": classification_metrics(labels, predict_top3(head, features)[0], DIGITS),
            "test": classification_metrics(test_labels, predict_top3(model, test)[0], DIGITS),
        },
    )
    checkpoint.mark_complete("data/weights/transfer.safetensors")


if __name__ == "__main__":
    run_stage(main)
