"""The report on a pull request: DVC's tables, and two charts that Mermaid draws."""

import re
import subprocess
import sys

import pytest
from pipeline_helpers import REPOSITORY, environment, run

from tools import report


@pytest.fixture
def pull_request(tmp_path, monkeypatch):
    """A clone with a commit, and in the folder a longer training after which two classes have another F1."""
    run(f"git clone -q '{REPOSITORY}' clone", tmp_path)
    clone = tmp_path / "clone"
    monkeypatch.chdir(clone)
    (clone / "plots/pretrain.csv").write_text("epoch,validation_accuracy\n1,0.70\n2,0.81\n")
    (clone / "plots/per_class.csv").write_text("character,f1\nO,0.5\nl,0.4\nz,0.9\n")
    run("git add -A && git commit -qm Base", clone)
    (clone / "params.yaml").write_text((clone / "params.yaml").read_text().replace("model: resnet", "model: vggnet"))
    (clone / "plots/pretrain.csv").write_text("epoch,validation_accuracy\n1,0.72\n2,0.84\n3,0.88\n")
    (clone / "plots/per_class.csv").write_text('character,f1\nO,0.55\nl,0.2\nz,0.9\n"""",1.0\n')
    return clone


def test_the_report_has_both_tables_and_both_charts(pull_request):
    # Its three processes import less than what the forks of `run` would wait for.
    command, path = [sys.executable, "-P", "-m", "tools.report", "HEAD"], {"PYTHONPATH": str(REPOSITORY)}
    said = subprocess.run(command, env=environment() | path, check=True, capture_output=True, text=True).stdout
    assert re.search(r"\| params.yaml \| model +\| resnet +\| vggnet +\|", said) and "## Metrics\n\n| Path" in said
    curves, classes = re.findall(r"```mermaid\n%%.*?%%\nxychart-beta\n(.*?)```", said, re.DOTALL)
    assert "line [72.00, 84.00, 88.00]\n    line [70.00, 81.00]\n" in curves and '["1", "2", "3"]' in curves
    assert "70 --> 90" in curves
    # The class that changes most comes first; bars begin at 0; a class that the base lacks cannot be compared.
    assert 'x-axis "character" ["l", "O"]' in classes and "bar [20.00, 55.00]\n    line [40.00, 50.00]\n" in classes
    assert "0 --> 100" in classes


def test_where_nothing_changes_or_the_base_lacks_the_table_there_is_a_sentence_and_no_chart(pull_request):
    run("git commit -qam All", pull_request)
    same = [report.draw("plots/pretrain.csv", report.curve_chart, "HEAD")]
    (pull_request / "plots/per_class.csv").write_text("character,f1\nO,0.55\nnew,1.0\n")
    same.append(report.draw("plots/per_class.csv", report.class_chart, "HEAD"))
    assert [text[:30] for text in same] == 2 * ["Nothing that a chart of `plots"]
    run("git rm -q --cached plots/pretrain.csv && git commit -qm Without", pull_request)
    lacking = report.draw("plots/pretrain.csv", report.curve_chart, "HEAD")
    assert lacking == "`plots/pretrain.csv` is not in `HEAD`: there is nothing to compare."


def test_marks_of_mermaids_language_are_written_as_entities():
    assert '["#quot;", "#35;"]' in report.chart("title", "x", ['"', "#"], "y", (0, 1), [])
