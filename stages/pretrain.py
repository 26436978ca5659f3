"""Pre-train on 90 % of the training images, with the hyperparameters that the search found."""

from emnist.data.datasets import load_split
from emnist.data.files import load_json, write_json, write_rows
from emnist.models import load_model
from emnist.models.weights import save_weights
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.loop import best_epoch, fit
from emnist.training.recipe import pretrain_recipe
from emnist.utils.checkpoint import Checkpoint
from emnist.utils.progress import log
from emnist.utils.stage import stage_key
from stages._process import run_stage


def main(params):
    images, labels, pixel_stats, pretrain, held_out = load_split("pretrain", "validation")
    config = load_json("data/search/best.json")
    recipe = pretrain_recipe(params, config)
    model, metadata = load_model("data/weights/initial.safetensors")
    hardware = setup_hardware(params.compute, model)
    log(f"pretrain: {params.model} on {len(pretrain):,} images with {config}; {hardware}")
    checkpoint = Checkpoint(stage_key("pretrain", params, hardware.as_dict()))

    def report(history):
        """Write the curves and the best epoch so far, so that DVC shows them during the training."""
        best = history[best_epoch(history) - 1]
        write_rows("plots/pretrain.csv", history)
        write_json(
            "metrics/pretrain.json",
            {
                "best_epoch": best["epoch"],
                "epochs": len(history),
                **{key: best[key] for key in best if key != "epoch"},
                **hardware.as_dict(),
            },
        )

    fit(
        "pretrain",
        hardware.to_device(model),
        recipe,
        ImageBatches(images, labels, hardware, pixel_stats, pretrain, recipe.augmentations),
        seed=params.seed,
        validation=ImageBatches(images, labels, hardware, pixel_stats, held_out),
        checkpoint=checkpoint,
        report=report,
    )
    save_weights("data/weights/pretrain.safetensors", model, **metadata | pixel_stats)
    checkpoint.mark_complete("data/weights/pretrain.safetensors")


if __name__ == "__main__":
    run_stage(main)
