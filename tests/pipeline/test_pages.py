"""DVC's pages in a real browser that reaches no host. Skipped where no Chromium is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pipeline_helpers import run

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(not BROWSER, reason="needs Chromium")


def drawn(page, tmp_path):
    """Give a page's HTML after its scripts have run."""
    return subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path}/browser",
            "--virtual-time-budget=20000",
            "--dump-dom",
            f"file://{page}",
        ],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=120,
    ).stdout


@pytest.fixture
def page(pipeline):
    run("dvc plots show", pipeline)
    return pipeline / "dvc_plots/index.html"


def test_the_page_finds_its_scripts_and_pictures_beside_it(page):
    html = page.read_text()
    scripts = re.findall(r'<script src="([^"]+)"', html.split("<template")[0])
    pictures = re.findall(r'<img[^>]* src="([^"]+)"', html)
    assert scripts and len(pictures) == 3
    assert all((page.parent / Path(name)).is_file() for name in [*scripts, *pictures])


@needs_browser
def test_every_chart_is_drawn_without_a_network(page, tmp_path):
    charts = page.read_text().count("vegaEmbed(")
    assert len(re.findall(r'<svg[^>]* class="marks"', drawn(page, tmp_path))) == charts == 6


@needs_browser
def test_without_the_installed_script_the_page_asks_for_dvcs_links(page, tmp_path):
    alone = tmp_path / "alone/dvc_plots"
    shutil.copytree(page.parent, alone)
    html = drawn(alone / "index.html", tmp_path)
    assert 'class="marks"' not in html and re.search(
        r'<script[^>]* src="https://[^"]*vega', html.split("</template>")[1]
    )
