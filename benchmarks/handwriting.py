"""Accuracy and calibration of the model in data/weights on real handwriting.

    python -m benchmarks.handwriting FOLDER MNIST_FOLDER

Both folders are in the official layout. MNIST's test images are classified among the ten digits, EMNIST's among all
62 characters.
"""

from benchmarks import make_parser
from emnist.data.datasets import load_emnist, load_mnist
from emnist.evaluation.calibration import expected_calibration_error
from emnist.models import load_model
from emnist.params import load_params
from emnist.training.batches import ImageBatches
from emnist.training.hardware import setup_hardware
from emnist.training.inference import predict_probabilities
from emnist.utils.errors import run_cli


def main():
    parser = make_parser(__doc__)
    parser.add_argument("emnist", metavar="FOLDER", help="folder of emnist-byclass-test-*.gz")
    parser.add_argument("mnist", metavar="MNIST_FOLDER", help="folder of t10k-*.gz")
    parser.add_argument("--weights", default="data/weights/finetune.safetensors")
    options = parser.parse_args()
    model, metadata = load_model(options.weights)
    hardware = setup_hardware(load_params().compute, model)
    model = hardware.to_device(model)
    for name, (images, labels), classes in [
        ("MNIST test, among the ten digits", load_mnist("t10k", options.mnist), 10),
        ("handwriting test, among 62", load_emnist("test", folder=options.emnist), 62),
    ]:
        confidence, correct = predict(model, ImageBatches(images, labels, hardware, metadata), labels, classes)
        error = expected_calibration_error(confidence, correct)
        print(f"{name}: {correct.mean():.2%} of {len(labels):,} images, expected calibration error {error:.2%}")


def predict(model, images, labels, classes):
    """Predict `ImageBatches` among the first `classes` (int); return how sure (0 to 1) and whether rightly, both (N,)."""
    probabilities = predict_probabilities(model, images)[:, :classes]
    confidence = probabilities.max(axis=1) / probabilities.sum(axis=1)
    return confidence, probabilities.argmax(axis=1) == labels


if __name__ == "__main__":
    run_cli(main)
