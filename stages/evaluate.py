"""Score the fine-tuned model on training and test images."""

from emnist.data.classes import CHARACTERS
from emnist.data.datasets import read_emnist, read_split
from emnist.data.files import write_csv, write_json
from emnist.evaluation.metrics import classification_metrics, per_class_table
from emnist.evaluation.tta import MeanOverShifts
from emnist.models import load_model
from emnist.params import load_params
from emnist.training.batches import Images
from emnist.training.hardware import choose
from emnist.training.inference import top3
from emnist.utils.checkpoint import sweep
from emnist.utils.errors import run


def main():
    params = load_params()
    sweep()
    model, about = load_model("data/weights/finetune.safetensors")
    hardware = choose(params.compute, model)
    model = hardware.place(model)
    train_images, train_labels, _ = read_split()
    test_images, test_labels = read_emnist("test", params.sized("split").test, params.seed)

    scores = {}
    for part, images, labels in [("train", train_images, train_labels), ("test", test_images, test_labels)]:
        judged = Images(images, labels, hardware, about)
        top, confidence, losses = top3(model, judged)
        scores[part] = classification_metrics(labels, top) | {"loss": round(float(losses.mean(dtype=float)), 6)}
        write_csv(f"data/predictions/{part}.csv", ["actual", "predicted", "confidence"],
                  ([CHARACTERS[label], CHARACTERS[classes[0]], f"{probability:.4f}"]
                   for label, classes, probability in zip(labels, top, confidence)))
    if params.evaluate.shifts:  # apart, since every other score here is of the images as they are
        shifted, _, _ = top3(MeanOverShifts(model, params.evaluate.shifts, about), judged)
        scores["test_shifted"] = classification_metrics(test_labels, shifted)
    write_csv("plots/per_class.csv", *per_class_table(test_labels, top[:, 0], CHARACTERS))
    write_json("metrics/evaluate.json", scores)


if __name__ == "__main__":
    run(main)
