"""The report of a comparison: its table, its sentences and its files."""

from pathlib import Path

import pandas as pd
from scipy.stats import ttest_ind

from emnist.comparison import figures
from emnist.comparison.experiments import read_results
from emnist.comparison.html_report import write_html_report
from emnist.data.classes import classes_of
from emnist.evaluation.cost import count_parameters, images_per_second, multiply_adds
from emnist.evaluation.metrics import METRICS, WEIGHTED
from emnist.models import build_model
from emnist.sources import join_titles
from emnist.training.hardware import setup_hardware
from emnist.training.recipe import augmentations
from emnist.utils.atomic import write_bytes

FOLDER = Path("plots/comparison")
SCORES = [  # of a run, in the order of the table's rows
    *(f"train.{name}" for name in WEIGHTED),
    *(f"test.{name}" for name in (*WEIGHTED, *METRICS)),
    "transfer.accuracy",
]
ROWS = {  # whose names are not those of the scores
    "test.top3_accuracy": "test, first three guesses",
    "test.bymerge_accuracy": "test, ByMerge's 47 classes",
    "transfer.accuracy": "transfer, test accuracy",
}
ALPHA = 0.05  # the level of significance


def table(runs, costs):
    """Tabulate the runs, a column a model.

    Parameters
    ----------
    runs : pandas.DataFrame
        A row a run: ``model``, ``seed``, and `SCORES` as fractions of 1.
    costs : dict of str to dict of str to int or float
        What each model costs, by its name: what is counted or measured, and how much.

    Returns
    -------
    pandas.DataFrame
        Of str. Scores in percent, with the standard deviation where a model has several runs.
    """
    columns = {}
    for model, group in runs.groupby("model", sort=False):
        columns[model] = {f"{_row(score)} (%)": _mean(100 * group[score]) for score in SCORES if score in group}
        columns[model] |= {name: f"{cost:,.0f}" for name, cost in costs[model].items()}
        columns[model]["runs"] = str(len(group))
    return pd.DataFrame(columns)


def to_markdown(table):
    """Write a table of str in Markdown, without the blanks of `DataFrame.to_markdown`."""
    rows = [["", *table.columns], ["---"] * (1 + len(table.columns)), *table.reset_index().to_numpy()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def summarize(runs, costs):
    """Name the most accurate model, those that are not significantly worse, and the cheapest of these, in sentences.

    `runs` and `costs` are as `table` takes them, but only of models that ran with the same settings. A model is
    significantly worse if Welch's t-test of the runs' test accuracies says so at the 5 % level. That takes at least two
    runs of each model.
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


def read_runs(found):
    """Return tables of experiments (dict of (model, seed) to dict), each a pandas.DataFrame.

    They are the scores, a row a run; the parameters, a column a run; and what `read_results` gives, with the ``model``.
    """
    runs, parameters, tables = [], [], []
    for (model, seed), experiment in found.items():
        metrics, *results = read_results(experiment)
        best = metrics["search"]["best"]
        scores = {part: metrics["evaluate"][part] for part in ("train", "test")}
        scores |= {"transfer": metrics["transfer"]["test"], "search": best, "pretrain": metrics["pretrain"]}
        runs.append({"model": model, "seed": seed, **scores})
        parameters.append(experiment["params"] | {"found by the search": best})
        tables.append([table.assign(model=model) for table in results])
    names = [experiment["name"] for experiment in found.values()]
    parameters = pd.json_normalize(parameters).set_axis(names).T
    return pd.json_normalize(runs), parameters, *(pd.concat(each, ignore_index=True) for each in zip(*tables))


def list_pictures(accuracies, costs, curves, trials, predictions, best, classes):
    """List the pictures by their names: what draws each, from what, and its caption.

    Of the `best` models that can be compared, where they are two, the difference is drawn.
    """
    labels = {
        model: [table[column].map(classes.index).to_numpy() for column in ("actual", "predicted")]
        for model, table in predictions.groupby("model", sort=False)
    }
    pictures = {
        "cost": (figures.accuracy_by_cost, (accuracies, costs), "Test accuracy against what a model costs"),
        "curves": (figures.curves_of_models, (curves,), "Validation while the models were pre-trained"),
        "search": (figures.searches_of_models, (trials,), "What mattered in the search for SGD's hyperparameters"),
        "confusion": (figures.confusions_of_models, (labels, classes), "What each model takes for what"),
    }
    if len(best) == 2:
        pictures["difference"] = (
            figures.confusion_difference,
            (*(labels[model] for model in best), classes, best),
            f"Where {best[1]} and {best[0]}, the best two, differ",
        )
    return pictures


def write_report(plan, found, speed=False):
    """Write the table, the pictures and the page of a comparison into `FOLDER`; return what is to be printed.

    Parameters
    ----------
    plan : emnist.comparison.runs.Plan
    found : dict of (str, int) to dict
        The experiment of each run that is complete, by model and seed.
    speed : bool
        Whether to measure images a second too. Throughput varies between machines, so it is returned and put on the
        page only.
    """
    runs, parameters, *results = read_runs(found)
    classes = classes_of(plan.params.dataset)
    accuracies = {model: 100 * group["test.accuracy"] for model, group in runs.groupby("model", sort=False)}
    models = {model: build_model(model, len(classes)) for model in accuracies}
    costs = {
        model: {"parameters": count_parameters(built), "multiply-adds an image": multiply_adds(built)}
        for model, built in models.items()
    }
    comparable = [model for model in accuracies if not plan.special[model]]
    best = sorted(comparable, key=lambda model: -accuracies[model].mean())[:2]
    title = _title(accuracies, join_titles(plan.params.source))
    heading = title[0].upper() + title[1:]
    sentences = [summarize(runs[runs["model"].isin(comparable)], costs)] if len(best) == 2 else []
    sentences += [
        f"{model} cannot be compared with the others, because it ran with {', '.join(plan.special[model])}."
        for model in accuracies
        if plan.special[model]
    ]
    (FOLDER / "difference.png").unlink(missing_ok=True)
    pictures = list_pictures(accuracies, costs, *results, best, classes)
    for name, (draw, content, caption) in pictures.items():
        draw(FOLDER / f"{name}.png", *content, f"{caption}: {title}")
    markdown = to_markdown(table(runs, costs))
    write_bytes(FOLDER / "table.md", "\n\n".join([f"**{heading}**", markdown, *sentences, ""]).encode())
    write_bytes(FOLDER / "runs.csv", runs.to_csv(index=False, lineterminator="\n").encode())
    if speed:
        _measure_speed(models, plan.params, costs)
    shown, captions = table(runs, costs), {FOLDER / f"{name}.png": caption for name, (*_, caption) in pictures.items()}
    write_html_report(FOLDER / "report.html", heading, sentences, shown, captions, parameters)
    where = (
        f"The table, the pictures and the parameters of all runs are in {FOLDER}/report.html, one file to send; "
        f"commit the rest of {FOLDER}."
    )
    return "\n".join(["", to_markdown(shown), *sentences, where])


def _row(score):
    named = score.replace("train.", "training ").replace("test.", "test ").replace("f1", "F1").replace("_", " ")
    return ROWS.get(score, named)


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
