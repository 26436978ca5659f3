"""Train with SGD and the best hyperparameters on 90 % of the training images, and keep the best weights."""

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import read_split
from emnist.data.files import read_json, write_csv, write_json
from emnist.models import build_model
from emnist.models.weights import save_weights
from emnist.params import load_params
from emnist.training.batches import Images
from emnist.training.hardware import choose
from emnist.training.loop import best_epoch, fit, seed_everything
from emnist.training.optimizers import sgd
from emnist.utils.checkpoint import Checkpoint, stage_key, sweep
from emnist.utils.errors import run
from emnist.utils.progress import say


def main():
    params = load_params()
    sweep()
    images, labels, pixels, pretrain, held_out = read_split("pretrain", "validation")
    best = read_json("data/search/best.json", "learning_rate", "batch_size", "momentum", "weight_decay")

    seed_everything(params.seed, "weights")
    model = build_model(params.model)
    hardware = choose(params.compute, model)
    model = hardware.place(model)
    say(f"pretrain: {params.model} on {len(pretrain):,} images with {best}; {hardware}")
    checkpoint = Checkpoint(stage_key("pretrain", params, hardware.record()))

    def report(history):
        """Keep the curve and the best epoch so far where DVC shows them while the training goes on."""
        kept = history[best_epoch(history) - 1]
        write_csv("plots/pretrain.csv", history[0], [row.values() for row in history])
        write_json("metrics/pretrain.json", {"best_epoch": kept["epoch"], "epochs": len(history),
                                             **{key: kept[key] for key in kept if key != "epoch"}, **hardware.record()})

    size, recipe = params.sized("pretrain"), params.by_recipe("pretrain")
    fit("pretrain", model, sgd(model, best), Images(images, labels, hardware, pixels, pretrain),
        epochs=size.epochs, patience=size.patience if recipe.early_stopping else None,
        batch_size=best["batch_size"], augmentation=params.augmentation, schedule=recipe.schedule,
        clip_norm=params.pretrain.clip_norm, seed=params.seed, checkpoint=checkpoint, report=report,
        validation=Images(images, labels, hardware, pixels, held_out))
    save_weights("data/weights/pretrain.safetensors", model, model=params.model, classes=CHARACTERS, **pixels)
    checkpoint.finish("data/weights/pretrain.safetensors")


if __name__ == "__main__":
    run(main)
