"""Accuracy and calibration of a network on real handwriting, by default of the last run's network.

    python -m benchmarks.handwriting FOLDER MNIST_FOLDER
    python -m benchmarks.handwriting FOLDER MNIST_FOLDER --part train

MNIST's images are classified among the ten digits, the others among all 62 characters.
"""

from sklearn.metrics import f1_score

from benchmarks import load_both, make_parser_of_pictures, print_header, print_row
from emnist.cli.predict import EXPORTED
from emnist.evaluation.calibration import expected_calibration_error
from emnist.reading.network import load_network
from emnist.utils.errors import run_cli


def main():
    parser = make_parser_of_pictures(__doc__, "FOLDER", "MNIST_FOLDER")
    parser.set_defaults(model=EXPORTED)
    options = parser.parse_args()
    network = load_network(options.model)
    print(f"{network.metadata['architecture']}, trained on: {network.metadata['data']}\n")
    print_header("images", "number", "accuracy (%)", "macro F1 (%)", "expected calibration error (%)")
    for name, images, labels, classes in load_both(options.folder, options.mnist_folder, options.part):
        probabilities = network.probabilities(images)[:, :classes]
        predicted = probabilities.argmax(axis=1)
        error = expected_calibration_error(probabilities.max(axis=1) / probabilities.sum(axis=1), predicted == labels)
        scores = (predicted == labels).mean(), f1_score(labels, predicted, average="macro", zero_division=0), error
        print_row(name, f"{len(labels):,}", *(f"{100 * score:.2f}" for score in scores))


if __name__ == "__main__":
    run_cli(main)
