"""Score the fine-tuned model on training and test images."""

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import load_emnist, load_split
from emnist.data.files import write_csv, write_json
from emnist.evaluation.metrics import classification_metrics, per_class_table
from emnist.evaluation.tta import ShiftTTA
from emnist.models import load_model
from emnist.params import load_params
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_top3
from emnist.utils.checkpoint import remove_stale_files
from emnist.utils.errors import run_cli


def main():
    params = load_params()
    remove_stale_files()
    model, metadata = load_model("data/weights/finetune.safetensors")
    hardware = setup_hardware(params.compute, model)
    model = hardware.to_device(model)
    train_images, train_labels, _ = load_split()
    test_images, test_labels = load_emnist("test", params.split[params.size].test, params.seed)

    scores = {}
    for part, images, labels in [("train", train_images, train_labels), ("test", test_images, test_labels)]:
        batches = ImageBatches(images, labels, hardware, metadata)
        top3, confidence, losses = predict_top3(model, batches)
        scores[part] = classification_metrics(labels, top3) | {"loss": round(float(losses.mean(dtype=float)), 6)}
        write_csv(
            f"data/predictions/{part}.csv",
            ["actual", "predicted", "confidence"],
            (
                [CHARACTERS[label], CHARACTERS[classes[0]], f"{probability:.4f}"]
                for label, classes, probability in zip(labels, top3, confidence)
            ),
        )
    if params.evaluate.tta:  # a separate score, since all others are without test-time augmentation
        tta_top3, _, _ = predict_top3(ShiftTTA(model, params.evaluate.tta, metadata), batches)
        scores["test_tta"] = classification_metrics(test_labels, tta_top3)
    write_csv("plots/per_class.csv", *per_class_table(test_labels, top3[:, 0], CHARACTERS))
    write_json("metrics/evaluate.json", scores)


if __name__ == "__main__":
    run_cli(main)
