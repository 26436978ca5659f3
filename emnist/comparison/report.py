"""Runs of several models side by side: a table, what can be said, and one page that holds it all."""

import base64
import html
from pathlib import Path

from scipy.stats import ttest_ind

from emnist.utils.atomic import write_bytes

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
ALPHA = 0.05  # a difference that chance makes larger more often than this is not called one


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
    """Say which model reads best, which others cannot be told from it, and which of these costs least.

    Parameters
    ----------
    runs, costs
        As `table` takes them; only of models that were trained alike.

    Returns
    -------
    str
        Two or three sentences.

    Notes
    -----
    Two models differ if Welch's t-test of their runs' test accuracies says so at the 5 % level. That takes at least
    two runs of each.
    """
    accuracies = {model: 100 * group["test.accuracy"] for model, group in runs.groupby("model", sort=False)}
    best = max(accuracies, key=lambda model: accuracies[model].mean())
    said = f"{best} reads most: {_mean(accuracies[best])} % of the test images. "
    if min(map(len, accuracies.values())) < 2:
        return said + "With a single run of a model, a difference of a point or two may be noise."
    alike = [
        model
        for model, found in accuracies.items()
        if model != best and not ttest_ind(accuracies[best], found, equal_var=False).pvalue < ALPHA
    ]
    if not alike:
        return said + "By Welch's t-test every other model reads fewer (p < 0.05)."
    cheapest = min([best, *alike], key=lambda model: costs[model]["multiply-adds an image"])
    return (
        said + f"By Welch's t-test {' and '.join(alike)} cannot be told from it (p ≥ 0.05). "
        f"Of these {cheapest} costs least: {costs[cheapest]['multiply-adds an image']:,} multiply-adds an image."
    )


def report(path, title, sentences, markdown, pictures, settings):
    """Write one HTML page that needs nothing else.

    Parameters
    ----------
    path : path-like
    title : str
    sentences : list of str
    markdown : str
        The table, as `table` gives it.
    pictures : dict of path-like to str
        PNG files, and what each shows.
    settings : pandas.DataFrame
        The parameters, a column a run.
    """
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.strip().split("\n")]

    def cells(tag, row):
        return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)

    values = settings.map(str)
    alike = values.nunique(axis=1) == 1
    figures = "".join(
        f'<figure><img alt="{html.escape(shows)}" src="data:image/png;base64,'
        f'{base64.b64encode(Path(picture).read_bytes()).decode()}"><figcaption>{html.escape(shows)}</figcaption></figure>'
        for picture, shows in pictures.items()
    )
    write_bytes(
        path,
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{html.escape(title)}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse }}
th, td {{ border-bottom: 1px solid #ccc; padding: .2em .7em; text-align: right; white-space: nowrap }}
th:first-child, td:first-child {{ text-align: left }}
.dataframe td {{ white-space: normal }}
figure {{ margin: 2em 0 }}
img {{ max-width: 100% }}
div {{ overflow-x: auto }}
</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
{"".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)}
<div><table><thead><tr>{cells("th", header)}</tr></thead>
<tbody>{"".join(f"<tr>{cells('td', row)}</tr>" for row in rows)}</tbody></table></div>
{figures}
<h2>Parameters in which the runs differ</h2>
<div>{values[~alike].T.to_html(border=0)}</div>
<h2>Parameters of all runs</h2>
<div>{values[alike].iloc[:, 0].to_frame("all runs").to_html(border=0)}</div>
</body>
</html>
""".encode(),
    )


def _mean(values):
    return f"{values.mean():.2f}" + (f" ± {values.std():.2f}" if len(values) > 1 else "")
