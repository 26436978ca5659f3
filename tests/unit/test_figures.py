"""The figures: what is in them, and that they look the same whatever a person set."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from emnist.comparison import figures
from emnist.figures import calibration, characters, confusion, style, training

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(5), 20)
PREDICTIONS = np.where(RNG.random(100) < 0.8, LABELS, RNG.integers(5, size=100))
IMAGES = RNG.random((10, 28, 28))
CONFIDENCE = np.linspace(0.1, 1, 10)
CURVE = {
    "train_loss": [2.0, 1.0],
    "train_accuracy": [0.5, 0.7],
    "validation_loss": [2.1, 1.2],
    "validation_accuracy": [0.4, 0.6],
}
RUN = pd.DataFrame({"epoch": [1, 2], **CURVE})
TRIALS = pd.DataFrame(
    {
        "trial": [1, 2, 3, 4],
        "batch_size": [16, 16, 32, 32],
        "learning_rate": [0.1, 0.01, 0.1, 0.01],
        "momentum": [0.0, 0.9, 0.9, 0.0],
        "weight_decay": [0.0, 0.0, 0.001, 0.01],
        "validation_loss": [1.5, 0.9, np.nan, 1.1],
    }
)


def of_models(**tables):
    return pd.concat([table.assign(model=model) for model, table in tables.items()], ignore_index=True)


FIGURES = {  # what draws it, its arguments, and the width and height in pixels
    "confusion": (confusion.confusion_heat_map, (LABELS, PREDICTIONS, "0Oo1l"), (2000, 1800)),
    "pairs": (confusion.confused_pairs, (LABELS, PREDICTIONS, "0Oo1l"), (800, 800)),
    "predictions": (characters.prediction_grid, (IMAGES, "0123456789", "O123456789", CONFIDENCE), (1160, 435)),
    "augmentation": (characters.augmentation_grid, (IMAGES.reshape(2, 5, 28, 28), "ab"), (550, 290)),
    "curves": (training.training_curves, (CURVE, CURVE), (1200, 480)),
    "reliability": (calibration.reliability_diagram, (CONFIDENCE, CONFIDENCE > 0.4), (1200, 520)),
    "search": (training.search_trials, (TRIALS,), (1360, 480)),
    "accuracy by cost": (
        figures.accuracy_by_cost,
        (
            {"a": [90, 91], "b": [80]},
            {"a": {"parameters": 1e6, "multiply-adds": 1e7}, "b": {"parameters": 1e3, "multiply-adds": 1e4}},
        ),
        (1200, 540),
    ),
    "curves of models": (figures.curves_of_models, (of_models(a=RUN, b=RUN.head(1)),), (1200, 520)),
    "confusions of models": (
        figures.confusions_of_models,
        ({"a": (LABELS, PREDICTIONS), "b": (LABELS, LABELS)}, "0Oo1l"),
        (1500, 560),
    ),
    "difference": (
        figures.confusion_difference,
        ((LABELS, LABELS), (LABELS, PREDICTIONS), "0Oo1l", ("a", "b")),
        (2000, 1800),
    ),
    "searches of models": (figures.searches_of_models, (of_models(a=TRIALS, b=TRIALS.head(2)),), (1440, 520)),
}


TITLE = "What it shows of spinalnet on EMNIST ByClass and images from a folder"


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_a_png_of_the_expected_size_and_colours_whatever_a_person_set(tmp_path, name):
    draw, arguments, size = FIGURES[name]
    with plt.rc_context({"figure.dpi": 50, "figure.facecolor": "red"}):
        draw(tmp_path / "figure.png", *arguments, f"{TITLE}: {TITLE}")
    with Image.open(tmp_path / "figure.png") as picture:
        picture.load()
        assert (picture.format, picture.size, picture.info) == ("PNG", size, {})  # no version, no date
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert len(picture.convert("RGB").getcolors()) > 20
        pixels = np.asarray(picture.convert("L"))
    # The long title is broken into lines and not cut off.
    assert pixels[:60].min() < 255 and pixels[:60, [0, -1]].min() == 255


@pytest.fixture
def drawn(monkeypatch):
    """Draw, and give the figure in place of its file."""
    figures_drawn = []
    for module in (confusion, characters, training, figures):
        monkeypatch.setattr(module, "save", lambda path, figure, title="": figures_drawn.append(figure))

    def draw(function, *arguments):
        function("figure.png", *arguments, "title")
        return figures_drawn.pop()

    return draw


def test_confusion_colours_are_shares_of_the_true_class(drawn):
    # Half of each class is read as the other, though one class has fifty times the images.
    labels, predictions = np.repeat([0, 0, 1, 1], [1, 1, 50, 50]), np.repeat([0, 1, 0, 1], [1, 1, 50, 50])
    cells = drawn(confusion.confusion_heat_map, labels, predictions, "ab").axes[0].collections[0]
    assert cells.get_array().ravel().tolist() == [50, 50, 50, 50]


def test_only_a_wrong_prediction_is_marked_and_says_what_is_true(drawn):
    (ax,) = drawn(characters.prediction_grid, IMAGES, "0123456789", "O123456789", CONFIDENCE).axes
    assert [patch.get_edgecolor() == to_rgba(style.RED) for patch in ax.patches] == [True] + 9 * [False]
    assert [text.get_text() for text in ax.texts[:2]] == ["✗ O 10%, is 0", "1 20%"]


def test_diverged_trials_are_crosses_at_the_top(drawn):
    for trials, diverged in [(TRIALS, 1), (TRIALS.fillna({"validation_loss": 1.3}), 0)]:
        for ax in drawn(training.search_trials, trials).axes:
            (crosses,) = (dots for dots in ax.collections if dots.get_label() == "diverged")
            assert crosses.get_offsets()[:, 1].tolist() == diverged * [0.96]


def test_perfect_predictions_and_a_single_trial_can_be_drawn(tmp_path):
    confusion.confused_pairs(tmp_path / "pairs.png", LABELS, LABELS, "0Oo1l", "title")
    training.search_trials(tmp_path / "search.png", TRIALS.head(1), "title")
    assert len(list(tmp_path.iterdir())) == 2


def test_what_explains_the_ranks_of_trials_is_named():
    """Momentum decides here, and batch size does nothing."""
    values = [(momentum, size) for momentum in (0.0, 0.9) for size in (16, 32)]
    trials = pd.DataFrame(values, columns=["momentum", "batch_size"]).assign(validation_loss=[2.0, 2.0, 1.0, 1.0])
    assert figures.correlation_ratio(trials["validation_loss"], trials["momentum"]) == 1
    assert figures.correlation_ratio(trials["validation_loss"], trials["batch_size"]) == 0


def test_models_that_read_alike_do_not_differ(drawn):
    for second, alike in [(PREDICTIONS, True), (LABELS, False)]:
        figure = drawn(figures.confusion_difference, (LABELS, PREDICTIONS), (LABELS, second), "0Oo1l", "ab")
        assert figure.axes[0].collections[0].get_array().mask.all() == alike


def test_as_many_models_as_there_are_can_be_drawn(tmp_path):
    curves = of_models(**{f"model {number}": RUN for number in range(12)})
    figures.curves_of_models(tmp_path / "curves.png", curves, "title")
    assert len(figures.styles(curves["model"])["palette"]) == 12


COSTS = {  # parameters and multiply-adds an image
    "lenet": (35_814, 272_568),
    "alexnet": (1_849_070, 10_148_928),
    "vggnet": (1_463_678, 73_250_048),
    "resnet": (707_886, 7_727_104),
    "spinalnet": (386_050, 10_995_900),
    "ensnet": (25_939_701, 3_251_461_968),
}


ARCHITECTURES = (
    {model: [86 + number, 86.5 + number] for number, model in enumerate(COSTS)},
    {model: dict(zip(("parameters", "multiply-adds an image"), costs)) for model, costs in COSTS.items()},
)
RANGES = [*((35_814, 35_814 * ratio) for ratio in (1, 1.01, 1.3, 5, 11, 90, 1e5)), (707_886, 1_463_678)]


def two_models(difference):
    """Give accuracies so many points apart, and costs of several kinds, each with another range."""
    costs = {model: dict(enumerate(numbers)) for model, numbers in zip("ab", zip(*RANGES))}
    return {"a": [91], "b": [91 - difference]}, costs


@pytest.mark.parametrize("accuracies, costs", [ARCHITECTURES, *map(two_models, [0, 0.1, 3, 60])])
def test_labels_of_costs_and_accuracies_are_there_and_do_not_overlap(drawn, accuracies, costs):
    figure = drawn(figures.accuracy_by_cost, accuracies, costs)
    figure.draw_without_rendering()
    axes = [ax.xaxis for ax in figure.axes] + [figure.axes[0].yaxis]
    assert len(axes) == 1 + len(costs[min(costs)])
    boxes = []
    for axis in axes:
        assert not any(tick.label1.get_text() for tick in axis.get_minor_ticks())
        low, high = axis.get_view_interval()
        shown = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        assert len(shown) > 1
        boxes += [tick.label1.get_window_extent() for tick in shown]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_fonts_are_added_until_they_show_all_labels():
    assert style.label_font(["A", "ж", "ß", "plus"]) == style.MONOSPACE
    assert style.label_font(["A", "क", "א"]) == [style.MONOSPACE, "DejaVu Sans", "Kalam"]


@pytest.mark.parametrize("count, size", [(10, (2000, 1800)), (200, (3610, 3410))])
def test_a_confusion_matrix_grows_with_the_classes_and_its_labels_stay_legible(drawn, count, size):
    labels = np.arange(count)
    figure = drawn(confusion.confusion_heat_map, labels, labels, [chr(0x400 + n) for n in range(count)])
    assert tuple(map(round, figure.get_size_inches() * 100)) == size
    assert all(label.get_fontsize() >= 8 for label in figure.axes[0].get_yticklabels())
