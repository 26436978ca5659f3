"""Go on with Adam on all training images, for a fixed number of epochs."""

import torch

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import read_split
from emnist.data.files import write_csv, write_json
from emnist.models import load_model
from emnist.models.weights import save_weights
from emnist.params import load_params
from emnist.training.batches import Images
from emnist.training.hardware import choose
from emnist.training.loop import fit
from emnist.utils.checkpoint import Checkpoint, stage_key, sweep
from emnist.utils.errors import run
from emnist.utils.progress import say


def main():
    params = load_params()
    sweep()
    images, labels, pixels = read_split()

    model, _ = load_model("data/weights/pretrain.safetensors")
    hardware = choose(params.compute, model)
    model = hardware.place(model)
    say(f"finetune: {params.model} on {len(labels):,} images; {hardware}")
    checkpoint = Checkpoint(stage_key("finetune", params, hardware.record()))

    def report(history):
        """Keep the curve and the last epoch so far where DVC shows them while the training goes on."""
        last = history[-1]
        write_csv("plots/finetune.csv", history[0], [row.values() for row in history])
        write_json("metrics/finetune.json", {"epochs": last["epoch"], "train_loss": last["train_loss"],
                                             "train_accuracy": last["train_accuracy"]})

    adam = torch.optim.Adam(model.parameters(), lr=params.finetune.learning_rate, fused=True)
    fit("finetune", model, adam, Images(images, labels, hardware, pixels), epochs=params.sized("finetune").epochs,
        batch_size=params.finetune.batch_size, augmentation=params.augmentation,
        schedule=params.by_recipe("finetune").schedule, clip_norm=params.finetune.clip_norm, seed=params.seed,
        checkpoint=checkpoint, report=report)
    save_weights("data/weights/finetune.safetensors", model, model=params.model, classes=CHARACTERS, **pixels)
    checkpoint.finish("data/weights/finetune.safetensors")


if __name__ == "__main__":
    run(main)
