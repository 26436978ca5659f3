"""Fine-tune the pre-trained model on all training images, for a fixed number of epochs."""

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_split
from emnist.data.files import write_csv, write_json
from emnist.models import load_model, set_dropout
from emnist.models.weights import save_weights
from emnist.params import load_params
from emnist.training.augmentation import build_augmentations
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.loop import fit
from emnist.training.losses import build_loss
from emnist.training.optimizers import build_optimizer
from emnist.utils.checkpoint import Checkpoint, remove_stale_files, stage_key
from emnist.utils.errors import run_cli
from emnist.utils.progress import log


def main():
    params = load_params()
    remove_stale_files()
    images, labels, pixel_stats = load_split()

    model, _ = load_model("data/weights/pretrain.safetensors")
    set_dropout(model, params.dropout[params.recipe].get(params.model))
    hardware = setup_hardware(params.compute, model)
    model = hardware.to_device(model)
    log(f"finetune: {params.model} on {len(labels):,} images; {hardware}")
    checkpoint = Checkpoint(stage_key("finetune", params, hardware.as_dict()))

    def report(history):
        """Write the curves and the last epoch, so that DVC shows them during the training."""
        last = history[-1]
        write_csv("plots/finetune.csv", history[0], [row.values() for row in history])
        write_json(
            "metrics/finetune.json",
            {"epochs": last["epoch"], "train_loss": last["train_loss"], "train_accuracy": last["train_accuracy"]},
        )

    options = params.optimizers[params.finetune.optimizer]
    recipe = params.finetune[params.recipe]
    config = {"learning_rate": params.finetune.learning_rate}
    optimizer = build_optimizer(params.finetune.optimizer, options, model.parameters(), config)
    fit(
        "finetune",
        model,
        optimizer,
        ImageBatches(images, labels, hardware, pixel_stats),
        epochs=params.finetune[params.size].epochs,
        batch_size=params.finetune.batch_size,
        augmentations=build_augmentations(params.augmentation),
        loss=build_loss(params.loss, params.losses[params.loss]),
        unaugmented=recipe.unaugmented,
        schedule=recipe.schedule,
        clip_norm=params.finetune.clip_norm,
        seed=params.seed,
        checkpoint=checkpoint,
        report=report,
    )
    save_weights("data/weights/finetune.safetensors", model, model=params.model, classes=CHARACTERS, **pixel_stats)
    checkpoint.mark_complete("data/weights/finetune.safetensors")


if __name__ == "__main__":
    run_cli(main)
