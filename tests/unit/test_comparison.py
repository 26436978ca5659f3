"""What several runs say together: which are complete, the table, what is called a difference, and the page."""

import re

import dvc.utils.serialize
import pandas as pd
import pytest
from PIL import Image
from pipeline_helpers import commit, run

from emnist.comparison import report
from emnist.comparison.experiments import is_complete
from emnist.comparison.html_report import write_html_report

COSTS = {
    "large": {"parameters": 2_000_000, "multiply-adds an image": 9_000_000},
    "small": {"parameters": 1_000, "multiply-adds an image": 5_000},
}


def runs(**accuracies):
    rows = [
        {"model": model, "seed": seed, **dict.fromkeys(report.SCORES, 0.5), "test.accuracy": accuracy}
        for model, found in accuracies.items()
        for seed, accuracy in enumerate(found)
    ]
    return pd.DataFrame(rows)


def markdown(**accuracies):
    return report.to_markdown(report.table(runs(**accuracies), COSTS))


def test_the_table_has_a_column_a_model_with_mean_and_standard_deviation():
    lines = markdown(large=[0.90, 0.92], small=[0.8, 0.8]).splitlines()
    assert lines[:2] == ["|  | large | small |", "| --- | --- | --- |"]
    assert "| test accuracy (%) | 91.00 ± 1.41 | 80.00 ± 0.00 |" in lines
    assert "| multiply-adds an image | 9,000,000 | 5,000 |" in lines
    assert len(lines) == 2 + len(report.SCORES) + 2 + 1


def test_one_run_of_a_model_has_no_deviation_and_no_test_of_differences():
    alone = runs(large=[0.9], small=[0.8])
    assert "| test accuracy (%) | 90.00 | 80.00 |" in markdown(large=[0.9], small=[0.8])
    assert "may be noise" in report.summarize(alone, COSTS)


def test_a_difference_smaller_than_the_noise_is_not_called_one_and_the_cheaper_model_is_named():
    said = report.summarize(runs(large=[0.90, 0.91, 0.92], small=[0.895, 0.905, 0.92]), COSTS)
    assert "Not significantly worse (Welch's t-test, p ≥ 0.05): small." in said
    assert "The cheapest of these is small: 5,000 multiply-adds an image." in said


def test_a_difference_larger_than_the_noise_is_called_one():
    said = report.summarize(runs(large=[0.90, 0.91, 0.92], small=[0.80, 0.81, 0.82]), COSTS)
    assert said.startswith("The most accurate model is large: 91.00 ± 1.00 %")
    assert "All other models are significantly worse" in said


def test_the_page_holds_tables_and_pictures_needs_nothing_else_and_takes_no_markup_of_others(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    parameters = {
        "large-0": {"model": "large<", "seed": 0, "folder": None},
        "small-0": {"model": "small", "seed": 0, "folder": None},
    }
    write_html_report(
        tmp_path / "report.html",
        "Two <models>",
        ["One & all."],
        report.table(runs(large=[0.9], small=[0.8]), COSTS),
        {tmp_path / "a.png": "A picture"},
        pd.DataFrame(parameters),
    )
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"(src|href)=.(?!data:)", page) and "data:image/png;base64," in page
    assert "<td>90.00</td>" in page and "large&lt;" in page
    assert "<h1>Two &lt;models&gt;</h1>" in page and "<p>One &amp; all.</p>" in page
    # The parameters in which runs differ are set apart.
    differ, alike = (re.findall(r"<th>([^<]+)</th>", part) for part in page.split("<h2>")[1:])
    assert differ == ["model", "large-0", "small-0"] and alike == ["all runs", "seed", "folder"]


@pytest.mark.parametrize(
    "changed, complete",
    [
        ({}, True),
        ({"source checked": ["emnist", "folder"]}, False),
        ({"seed of the split": 43}, False),
        ({"sources of the split": "others"}, False),
    ],
)
def test_a_run_is_complete_if_every_stage_used_its_parameters_and_the_files_before_it(
    tmp_path, monkeypatch, changed, complete
):
    values = {"source": "sample", "seed": 42, "rate": 1e-05, "compute": {"threads": 2}}
    checked = values | {"source": changed.get("source checked", "sample"), "compute": {"threads": 1}}
    stages = {
        "check": {
            "deps": [],
            "params": {"params.yaml": checked},
            "outs": [{"path": "data/sources.json", "md5": "these"}],
        },
        "split": {
            "deps": [{"path": "data/sources.json", "md5": changed.get("sources of the split", "these")}],
            "params": {"params.yaml": {"seed": changed.get("seed of the split", 42)}},
        },
    }
    dvc.utils.serialize.dump_yaml(tmp_path / "dvc.lock", {"stages": stages})
    run("git init -q && git add -A", tmp_path)
    commit(tmp_path, "An experiment")
    monkeypatch.chdir(tmp_path)
    assert is_complete("HEAD", values) == complete
