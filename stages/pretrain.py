"""Pre-train on 90 % of the training images, with the hyperparameters that the search found."""

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_split
from emnist.data.files import load_json, write_csv, write_json
from emnist.models import load_model, set_dropout
from emnist.models.weights import save_weights
from emnist.params import load_params
from emnist.training.augmentation import build_augmentations
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.loop import best_epoch, fit
from emnist.training.losses import build_loss
from emnist.training.optimizers import build_optimizer, searched_hyperparameters
from emnist.utils.checkpoint import Checkpoint, remove_stale_files, stage_key
from emnist.utils.errors import run_cli
from emnist.utils.progress import log


def main():
    params = load_params()
    remove_stale_files()
    images, labels, pixel_stats, pretrain, held_out = load_split("pretrain", "validation")
    config = load_json("data/search/best.json", *searched_hyperparameters(params.pretrain.optimizer))

    model, _ = load_model("data/weights/initial.safetensors")
    set_dropout(model, params.dropout[params.recipe].get(params.model))
    hardware = setup_hardware(params.compute, model)
    model = hardware.to_device(model)
    log(f"pretrain: {params.model} on {len(pretrain):,} images with {config}; {hardware}")
    checkpoint = Checkpoint(stage_key("pretrain", params, hardware.as_dict()))

    def report(history):
        """Write the curves and the best epoch so far, so that DVC shows them during the training."""
        best = history[best_epoch(history) - 1]
        write_csv("plots/pretrain.csv", history[0], [row.values() for row in history])
        write_json(
            "metrics/pretrain.json",
            {
                "best_epoch": best["epoch"],
                "epochs": len(history),
                **{key: best[key] for key in best if key != "epoch"},
                **hardware.as_dict(),
            },
        )

    options = params.optimizers[params.pretrain.optimizer]
    optimizer = build_optimizer(params.pretrain.optimizer, options, model.parameters(), config)
    size, recipe = params.pretrain[params.size], params.pretrain[params.recipe]
    fit(
        "pretrain",
        model,
        optimizer,
        ImageBatches(images, labels, hardware, pixel_stats, pretrain),
        epochs=size.epochs,
        patience=size.patience if recipe.early_stopping else None,
        batch_size=config["batch_size"],
        augmentations=build_augmentations(params.augmentation),
        loss=build_loss(params.loss, params.losses[params.loss]),
        unaugmented=recipe.unaugmented,
        schedule=recipe.schedule,
        clip_norm=params.pretrain.clip_norm,
        seed=params.seed,
        checkpoint=checkpoint,
        report=report,
        validation=ImageBatches(images, labels, hardware, pixel_stats, held_out),
    )
    save_weights("data/weights/pretrain.safetensors", model, model=params.model, classes=CHARACTERS, **pixel_stats)
    checkpoint.mark_complete("data/weights/pretrain.safetensors")


if __name__ == "__main__":
    run_cli(main)
