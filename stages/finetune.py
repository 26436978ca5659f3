"""Fine-tune the pre-trained model on all training images, for a fixed number of epochs."""

from emnist.data.datasets import load_split
from emnist.data.files import write_json, write_rows
from emnist.models import load_model
from emnist.models.weights import save_weights
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.loop import fit
from emnist.training.recipe import finetune_recipe
from emnist.utils.checkpoint import Checkpoint
from emnist.utils.progress import log
from emnist.utils.stage import stage_key
from stages._process import run_stage


def main(params):
    images, labels, pixel_stats = load_split()
    recipe = finetune_recipe(params)
    model, metadata = load_model("data/weights/pretrain.safetensors")
    hardware = setup_hardware(params.compute, model)
    log(f"finetune: {params.model} on {len(labels):,} images; {hardware}")
    checkpoint = Checkpoint(stage_key("finetune", params, hardware.as_dict()))

    def report(history):
        """Write the curves and the last epoch, so that DVC shows them during the training."""
        last = history[-1]
        write_rows("plots/finetune.csv", history)
        write_json(
            "metrics/finetune.json",
            {"epochs": last["epoch"], "train_loss": last["train_loss"], "train_accuracy": last["train_accuracy"]},
        )

    fit(
        "finetune",
        hardware.to_device(model),
        recipe,
        ImageBatches(images, labels, hardware, pixel_stats, augmentations=recipe.augmentations),
        seed=params.seed,
        checkpoint=checkpoint,
        report=report,
    )
    save_weights("data/weights/finetune.safetensors", model, **metadata | pixel_stats)
    checkpoint.mark_complete("data/weights/finetune.safetensors")


if __name__ == "__main__":
    run_stage(main)
