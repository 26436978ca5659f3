"""Train a new head for ten digits on the fine-tuned network's frozen features."""

import torch

from emnist.data.datasets import read_mnist
from emnist.data.files import write_csv, write_json
from emnist.data.subsets import statistics
from emnist.evaluation.metrics import classification_metrics
from emnist.models import load_model, replace_head
from emnist.models.weights import save_weights
from emnist.params import load_params
from emnist.training.batches import Images
from emnist.training.hardware import choose
from emnist.training.inference import top3
from emnist.training.loop import fit, seed_everything
from emnist.transfer import Features, Head
from emnist.utils.checkpoint import Checkpoint, stage_key, sweep
from emnist.utils.errors import run


def main():
    params = load_params()
    sweep()
    images, labels = read_mnist("train")
    pixels = statistics(images)

    model, about = load_model("data/weights/finetune.safetensors")
    seed_everything(params.seed, "head")
    model = replace_head(model, num_classes=10)
    hardware = choose(params.compute, model)
    head = Head(hardware.place(model))
    features = Features(model, Images(images, labels, hardware, pixels))
    sgd = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=params.transfer.learning_rate)
    checkpoint = Checkpoint(stage_key("transfer_train", params, hardware.record()))
    history = fit("transfer", head, sgd, features, epochs=params.transfer.epochs,
                  batch_size=params.transfer.batch_size, augmentation=None, clip_norm=params.transfer.clip_norm,
                  seed=params.seed, checkpoint=checkpoint)

    top, _, _ = top3(head, features)
    save_weights("data/weights/transfer.safetensors", model, model=about["model"], classes="0123456789", **pixels)
    write_csv("plots/transfer.csv", history[0], [row.values() for row in history])
    write_json("metrics/transfer_train.json", classification_metrics(labels, top, bymerge=False))
    checkpoint.finish("data/weights/transfer.safetensors")


if __name__ == "__main__":
    run(main)
