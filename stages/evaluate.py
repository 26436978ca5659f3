"""Score the fine-tuned model on training and test images, and its exported networks on the test images."""

from pathlib import Path

from emnist.data.classes import classes_of
from emnist.data.datasets import load_emnist, load_split
from emnist.data.files import write_csv, write_json, write_rows
from emnist.evaluation.calibration import coverage_at_accuracy, expected_calibration_error
from emnist.evaluation.metrics import classification_metrics, compare_probabilities, per_class_table, rounded
from emnist.evaluation.tta import ShiftTTA
from emnist.models import load_model
from emnist.reading.network import Network
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_probabilities, predict_top3
from stages._process import run_stage

MAX_LOSS = 0.002  # of the accuracy, at which the 8-bit network is still recommended


def main(params):
    classes = classes_of(params.dataset)
    model, metadata = load_model("data/weights/finetune.safetensors")
    train_images, train_labels, _ = load_split()
    images, labels = load_emnist("test", params.sizes[params.size].test, params.seed, classes=len(classes))
    # First, since `setup_hardware` then chooses again for the scores.
    write_json("metrics/export.json", score_exported(params.compute, model, metadata, images, labels))

    hardware = setup_hardware(params.compute, model)
    model = hardware.to_device(model)
    test = ImageBatches(images, labels, hardware, metadata)
    train = ImageBatches(train_images, train_labels, hardware, metadata)
    train_scores, _ = score(model, train, train_labels, classes, "train")
    test_scores, predicted = score(model, test, labels, classes, "test")
    scores = {"train": train_scores, "test": test_scores}
    if params.evaluate.tta:  # all other scores are without test-time augmentation
        top3, _, _ = predict_top3(ShiftTTA(model, params.evaluate.tta, metadata), test)
        scores["test_tta"] = classification_metrics(labels, top3, classes)
    write_rows("plots/per_class.csv", per_class_table(labels, predicted, classes))
    write_json("metrics/evaluate.json", scores)


def score(model, batches, labels, classes, part):
    """Score a model on one part of the images, and write its predictions."""
    top3, confidence, losses = predict_top3(model, batches)
    write_csv(
        f"data/predictions/{part}.csv",
        ["actual", "predicted", "confidence"],
        (
            [classes[label], classes[likely[0]], f"{probability:.4f}"]
            for label, likely, probability in zip(labels, top3, confidence)
        ),
    )
    correct = top3[:, 0] == labels
    probabilistic = {
        "negative_log_likelihood": losses.mean(dtype=float),
        "expected_calibration_error": expected_calibration_error(confidence, correct),
        "share_at_99_accuracy": coverage_at_accuracy(confidence, correct),
    }
    return classification_metrics(labels, top3, classes) | rounded(probabilistic), top3[:, 0]


def score_exported(compute, model, metadata, images, labels):
    """Score the exported networks, and compare their probabilities with those of PyTorch in float32 on a CPU."""
    hardware = setup_hardware(compute.model_copy(update={"device": "cpu", "precision": "float32"}), model)
    expected = predict_probabilities(model, ImageBatches(images, labels, hardware, metadata))
    scores = {"images": len(labels)}
    for name, path in [("float32", "data/model/emnist.onnx"), ("int8", "data/model/emnist-int8.onnx")]:
        scores[name] = compare_probabilities(Network(path).probabilities(images), expected, labels)
        scores[name]["bytes"] = Path(path).stat().st_size
    loss = scores["float32"]["accuracy"] - scores["int8"]["accuracy"]
    scores["int8"]["recommended"] = round(loss, 6) <= MAX_LOSS
    return scores


if __name__ == "__main__":
    run_stage(main)
