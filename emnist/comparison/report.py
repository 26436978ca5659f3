"""The report of a comparison: its table, its sentences and its files."""

from pathlib import Path

import pandas as pd
from scipy.stats import ttest_ind

from emnist.comparison import figures
from emnist.comparison.experiments import read_results
from emnist.comparison.page import write_page
from emnist.data.classes import CHARACTERS
from emnist.evaluation.cost import count_parameters, images_per_second, multiply_adds
from emnist.models import build_model
from emnist.sources import join_titles
from emnist.training.hardware import setup_hardware
from emnist.training.recipe import augmentations
from emnist.utils.atomic import write_bytes

FOLDER = Path("plots/comparison")
SCORES = {  # a row of the table: the column of a run
    "training accuracy": "train.accuracy",
    "training precision": "train.precision",
    "training recall": "train.recall",
    "training F1": "train.f1",
    "test accuracy": "test.accuracy",
    "test precision": "test.precision",
    "test recall": "test.recall",
    "test F1": "test.f1",
    "test macro F1": "test.macro_f1",
    "test, first three guesses": "test.top3_accuracy",
    "test, ByMerge's 47 classes": "test.bymerge_accuracy",
    "transfer, test accuracy": "transfer.accuracy",
}
ALPHA = 0.05  # the level of significance


def table(runs, costs):
    """Tabulate the runs, a column a model.

    Parameters
    ----------
    runs : pandas.DataFrame
        A row a run: ``model``, ``seed``, and the columns of `SCORES` as fractions of 1.
    costs : dict of str to dict of str to int or float
        What each model costs, by its name: what is counted or measured, and how much.

    Returns
    -------
    str
        Markdown. Scores in percent, with the standard deviation where a model has several runs.
    """
    by_model = dict(list(runs.groupby("model", sort=False)))
    rows = [["", *by_model], ["---"] * (1 + len(by_model))]
    for name, column in SCORES.items():
        rows.append([f"{name} (%)", *(_mean(100 * group[column]) for group in by_model.values())])
    for cost in next(iter(costs.values())):
        rows.append([cost, *(f"{costs[model][cost]:,.0f}" for model in by_model)])
    rows.append(["runs", *(str(len(group)) for group in by_model.values())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def summarize(runs, costs):
    """Name the most accurate model, those that are not significantly worse, and the cheapest of these.

    Parameters
    ----------
    runs, costs
        As `table` takes them; only of models that ran with the same settings.

    Returns
    -------
    str
        Two or three sentences.

    Notes
    -----
    A model is significantly worse if Welch's t-test of the runs' test accuracies says so at the 5 % level. That takes
    at least two runs of each model.
    """
    accuracies = {model: 100 * group["test.accuracy"] for model, group in runs.groupby("model", sort=False)}
    best = max(accuracies, key=lambda model: accuracies[model].mean())
    sentence = f"The most accurate model is {best}: {_mean(accuracies[best])} % of the test images. "
    if min(map(len, accuracies.values())) < 2:
        return sentence + "With a single run of a model, a difference of a point or two may be noise."
    alike = [
        model
        for model, found in accuracies.items()
        if model != best and not ttest_ind(accuracies[best], found, equal_var=False).pvalue < ALPHA
    ]
    if not alike:
        return sentence + "All other models are significantly worse (Welch's t-test, p < 0.05)."
    cheapest = min([best, *alike], key=lambda model: costs[model]["multiply-adds an image"])
    return (
        sentence + f"Not significantly worse (Welch's t-test, p ≥ 0.05): {', '.join(alike)}. "
        f"The cheapest of these is {cheapest}: {costs[cheapest]['multiply-adds an image']:,} multiply-adds an image."
    )


def write_report(plan, found, speed=False):
    """Write the table, the pictures and the page of a comparison into `FOLDER`.

    Parameters
    ----------
    plan : emnist.comparison.runs.Plan
    found : dict of (str, int) to dict
        The experiment of each run that is complete, by model and seed.
    speed : bool
        Whether to measure images a second too. Throughput varies between machines, so it is returned and put on the
        page only.

    Returns
    -------
    str
        The table and the sentences, to be printed.
    """
    runs, curves, trials, predictions, parameters = [], {}, {}, {}, {}
    for (model, seed), experiment in found.items():
        metrics, curve, searched, predicted = read_results(experiment)
        scores = {
            "train": metrics["evaluate"]["train"],
            "test": metrics["evaluate"]["test"],
            "transfer": metrics["transfer"]["test"],
            "search": metrics["search"]["best"],
            "pretrain": metrics["pretrain"],
        }
        runs.append(flatten({"model": model, "seed": seed, **scores}))
        parameters[experiment["name"]] = flatten(
            experiment["params"] | {"found by the search": metrics["search"]["best"]}
        )
        curves.setdefault(model, []).append(curve)
        trials.setdefault(model, []).append(searched)
        predictions.setdefault(model, []).append(predicted)
    runs = pd.DataFrame(runs)
    trials = {model: pd.concat(tables) for model, tables in trials.items()}
    predictions = {
        model: [pd.concat(tables)[column].map(CHARACTERS.index).to_numpy() for column in ("actual", "predicted")]
        for model, tables in predictions.items()
    }
    models = {model: build_model(model) for model in predictions}
    costs = {
        model: {"parameters": count_parameters(built), "multiply-adds an image": multiply_adds(built)}
        for model, built in models.items()
    }
    accuracies = {model: 100 * group["test.accuracy"] for model, group in runs.groupby("model", sort=False)}
    comparable = [model for model in accuracies if not plan.special[model]]
    best = sorted(comparable, key=lambda model: -accuracies[model].mean())[:2]

    title = _title(accuracies, join_titles(plan.params.source))
    sentences = [summarize(runs[runs["model"].isin(comparable)], costs)] if len(best) == 2 else []
    sentences += [
        f"{model} cannot be compared with the others, because it ran with {', '.join(plan.special[model])}."
        for model in accuracies
        if plan.special[model]
    ]
    pictures = {
        "cost": (figures.accuracy_by_cost, (accuracies, costs), "Test accuracy against what a model costs"),
        "curves": (figures.curves_of_models, (curves,), "Validation while the models were pre-trained"),
        "search": (figures.searches_of_models, (trials,), "What mattered in the search for SGD's hyperparameters"),
        "confusion": (figures.confusions_of_models, (predictions, CHARACTERS), "What each model takes for what"),
    }
    if len(best) == 2:
        pictures["difference"] = (
            figures.confusion_difference,
            (*(predictions[model] for model in best), CHARACTERS, best),
            f"Where {best[1]} and {best[0]}, the best two, differ",
        )
    else:
        (FOLDER / "difference.png").unlink(missing_ok=True)
    for name, (draw, what_to_draw, caption) in pictures.items():
        draw(FOLDER / f"{name}.png", *what_to_draw, f"{caption}: {title}")
    heading = title[0].upper() + title[1:]
    markdown = table(runs, costs)
    write_bytes(FOLDER / "table.md", "\n\n".join([f"**{heading}**", markdown, *sentences, ""]).encode())
    write_bytes(FOLDER / "runs.csv", runs.to_csv(index=False, lineterminator="\n").encode())
    if speed:
        _measure_speed(models, plan.params, costs)
        markdown = table(runs, costs)
    write_page(
        FOLDER / "report.html",
        heading,
        sentences,
        markdown,
        {FOLDER / f"{name}.png": caption for name, (_, _, caption) in pictures.items()},
        pd.DataFrame(parameters),
    )
    return "\n".join(
        [
            "",
            markdown,
            *sentences,
            f"The table, the pictures and the parameters of all runs are in {FOLDER}/report.html, one file to send; "
            f"commit the rest of {FOLDER}.",
        ]
    )


def flatten(values, prefix=""):
    """Give nested values under dotted names."""
    flattened = {}
    for name, value in values.items():
        flattened |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flattened


def _title(accuracies, source):
    fewest, most = (choose(map(len, accuracies.values())) for choose in (min, max))
    number = f"{fewest} run" if fewest == most else f"{fewest} to {most} run"
    return (
        f"{len(accuracies)} architecture{'s' * (len(accuracies) > 1)} on {source}, {number}{'s' * (most > 1)} of each"
    )


def _measure_speed(models, params, costs):
    for model, built in models.items():
        hardware = setup_hardware(params.compute, built)
        training, inference = images_per_second(
            hardware.to_device(built), hardware, augmentations(params), params.recipes[params.recipe].clip_norm
        )
        costs[model] |= {"images a second, training": training, "images a second, inference": inference}


def _mean(values):
    return f"{values.mean():.2f}" + (f" ± {values.std():.2f}" if len(values) > 1 else "")
