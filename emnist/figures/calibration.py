"""Figure of how far a model's probabilities can be trusted: a PNG at `path`, under `title`."""

from matplotlib.figure import Figure

from emnist.evaluation.calibration import coverage_and_risk, reliability
from emnist.figures.style import BLUE, GREY, legend, save, styled


@styled
def reliability_diagram(path, confidence, correct, title):
    """Draw accuracy against probability, and the error against the share of images that is rejected.

    Parameters
    ----------
    confidence : numpy.ndarray of float, shape (N,)
        Probability of each prediction, 0 to 1.
    correct : numpy.ndarray of bool, shape (N,)
    """
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    counts, confidences, accuracies = reliability(confidence, correct)
    left.plot([0, 100], [0, 100], "--", color=GREY, label="as often right as probable")
    left.plot(100 * confidences, 100 * accuracies, "-", color=BLUE, label="test images")
    left.scatter(100 * confidences, 100 * accuracies, s=20 + 600 * counts / counts.sum(), color=BLUE, zorder=3)
    left.set(xlabel="probability of the prediction (%); area: number of images", ylabel="accuracy (%)")
    coverage, risk = coverage_and_risk(confidence, correct)
    right.plot(100 * (1 - coverage), 100 * risk, color=BLUE)
    right.set(
        xlabel="images rejected, the least probable first (%)", ylabel="error among the others (%)", ylim=(0, None)
    )
    for ax in (left, right):
        ax.set_xlim(-2, 102)
        ax.grid(alpha=0.3)
    legend(figure, left, 2)
    save(path, figure, title)
