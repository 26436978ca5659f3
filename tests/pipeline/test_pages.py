"""DVC's pages in a real browser that reaches no host. Skipped where no Chromium is installed."""

import re
import shutil

import pytest
from browser_helpers import BROWSER, browser
from pipeline_helpers import run

needs_browser = pytest.mark.skipif(not BROWSER, reason="needs Chromium")


@pytest.fixture(scope="module")
def html(finished_pipeline, tmp_path_factory):
    pipeline = shutil.copytree(finished_pipeline, tmp_path_factory.mktemp("pages") / "pipeline", symlinks=True)
    run("dvc plots show", pipeline)
    return pipeline / "dvc_plots/index.html"


def count_charts(html, expected):
    """Count the charts that the page's scripts have drawn, once there are as many as expected."""
    with browser() as chromium:
        page = chromium.new_context(offline=True).new_page()
        page.goto(html.as_uri())
        if expected:
            page.locator("svg.marks").nth(expected - 1).wait_for(state="attached", timeout=120_000)
        return page.locator("svg.marks").count()


def test_the_page_finds_its_scripts_and_pictures_beside_it(html):
    scripts = re.findall(r'<script src="([^"]+)"', html.read_text().split("<template")[0])
    pictures = re.findall(r'<img[^>]* src="([^"]+)"', html.read_text())
    assert scripts and len(pictures) == len(list((html.parents[1] / "plots").glob("*.png"))) > 0
    assert all((html.parent / name).is_file() for name in [*scripts, *pictures])


@needs_browser
def test_every_chart_is_drawn_without_a_network_by_the_installed_script(html, tmp_path):
    charts = html.read_text().count("vegaEmbed(")
    assert charts > 5 and count_charts(html, charts) == charts
    alone = shutil.copytree(html.parent, tmp_path / "alone/dvc_plots")
    assert count_charts(alone / "index.html", 0) == 0  # it asks for the scripts at the addresses that DVC names
