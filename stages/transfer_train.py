"""Train a new head for ten digits on the frozen features of the fine-tuned or the initial model."""

import torch

from emnist.data.datasets import load_mnist
from emnist.data.files import write_csv, write_json
from emnist.data.subsets import statistics
from emnist.evaluation.metrics import classification_metrics
from emnist.models import load_model, replace_head
from emnist.models.weights import save_weights
from emnist.params import load_params
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3
from emnist.training.loop import fit, seed_torch
from emnist.transfer import Features, Head
from emnist.utils.checkpoint import Checkpoint, remove_stale_files, stage_key
from emnist.utils.errors import run_cli


def main():
    params = load_params()
    remove_stale_files()
    images, labels = load_mnist("train")
    pixel_stats = statistics(images)

    model, metadata = load_model(f"data/weights/{params.transfer.weights}.safetensors")
    seed_torch(params.seed, "head")
    model = replace_head(model, num_classes=10)
    hardware = setup_hardware(params.compute, model)
    head = Head(hardware.to_device(model))
    features = Features(model, ImageBatches(images, labels, hardware, pixel_stats))
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=params.transfer.learning_rate)
    checkpoint = Checkpoint(stage_key("transfer_train", params, hardware.as_dict()))
    history = fit(
        "transfer",
        head,
        optimizer,
        features,
        epochs=params.transfer.epochs,
        batch_size=params.transfer.batch_size,
        augmentations=(),
        clip_norm=params.transfer.clip_norm,
        seed=params.seed,
        checkpoint=checkpoint,
    )

    top3, _, _ = predict_top3(head, features)
    save_weights(
        "data/weights/transfer.safetensors", model, model=metadata["model"], classes="0123456789", **pixel_stats
    )
    write_csv("plots/transfer.csv", history[0], [row.values() for row in history])
    write_json("metrics/transfer_train.json", classification_metrics(labels, top3, bymerge=False))
    checkpoint.mark_complete("data/weights/transfer.safetensors")


if __name__ == "__main__":
    run_cli(main)
