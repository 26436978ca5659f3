"""The documents: each command block runs, each error is what the command says, each link leads somewhere."""

import csv
import re
import shutil

import pytest
from PIL import Image
from pipeline_helpers import REPOSITORY, commands, run, stages_run
from writing import as_table, form, write

from emnist.models.pretrained import FOLDER

PAGES = [
    page
    for page in [
        *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
        *sorted((REPOSITORY / "docs").rglob("*.md")),
    ]
    if page.exists()
]
TEXTS = {page.relative_to(REPOSITORY).as_posix(): page.read_text() for page in PAGES}
# Who runs the commands that begin so, which are too long for here, or need a network or files of one's own.
ELSEWHERE = {
    "test_crash.py, which kills `make repro`": ["make repro", "make .venv/installed"],
    "whoever runs this, `make test`; it begins with `make lint`": ["make test", "make lint"],
    "test_compare.py, test_cluster.py": ["emnist compare", "emnist report"],
    "test_cluster.py": ["dask scheduler", "dask worker", "while sleep 10; do dask worker"],
    "test_sharing.py": [
        *("dvc remote", "git commit --message", "dvc push", "git push", "dvc exp push", "git clone", "dvc pull"),
        "dvc exp pull",
    ],
    "test_repositories.py, whose message names it": ["git fetch --unshallow"],
    "test_pipeline.py, with folders and the sample; test_emnist.py, with a server's archive": [
        "dvc exp run -S source=",
        "dvc exp run -S 'source=[",
    ],
    "a benchmark; several have a short form in the tests": [
        "python -m benchmarks.",
        "TMPDIR=/dev/shm python -m benchmarks.",
    ],
    "test_wheel.py, with what is installed here": ["pip install '.[", "pip install ."],
    "test_serve.py and test_page.py": ["emnist serve", "curl"],
    "test_own_characters.py": ["emnist predict ../mine/"],
    "test_static_page.py, with a server of its own": ["emnist page", "python -m http.server"],
    "test_container.py": ["podman "],
    "test_notebook.py": ["make notebook"],
    "test_hub.py": ["python -m tools.publish hub"],
    "nobody: they need a network": ["pip install pip-audit", "pip-audit"],
}
NOT_HERE = tuple(command for commands in ELSEWHERE.values() for command in commands)
UP_TO = {  # the last stage that is run here; other tests have those after it
    """dvc exp run -S 'dataset="а б в г д е ж з"'""": "split",  # test_own_characters.py
    "dvc exp run -S pretrained=resnet -S model=resnet": "initialise",  # test_experiments.py
}
TROUBLE = "docs/troubleshooting.md"
CAUSES = {  # a section of troubleshooting.md: what brings its error about in the tiny pipeline
    "dvc: command not found": "PATH=/usr/bin:/bin; dvc repro",
    "The folder is not a git repository": "rm -rf .git; dvc repro",
    "A wrong name or value": "dvc exp run -S model=spinalnt",
    "A wrong parameter": "dvc exp run -S sizes.small.pretrain_epoch=5",
    "A path or text that `-S` refuses": """
        dvc exp run -S 'download.folder.emnist=~/mine'
        dvc exp run -S 'download.folder.emnist=../mine (2)'
        dvc exp run -S 'download.folder.emnist=a,b'
    """,
    "DVC cannot read its own files": """
        cp -r dvc.lock .dvc/cache/runs .. && rm dvc.lock .dvc/cache/runs/*/*/*
        dvc repro check
        cp -r ../dvc.lock . && cp -r ../runs .dvc/cache && mkdir -p .dvc/cache/runs/00/0000
        echo "{" > .dvc/tmp/rwlock
        dvc repro -f check
        echo "}" >> dvc.lock
        dvc repro
    """,
    "The cache lacks files of dvc.lock": """
        sed -i.old '/search.best.json/,/md5: /s/md5: ../md5: aa/' dvc.lock
        dvc checkout
    """,
    "Another run is at work": """
        echo "{\\"write\\": {\\"$PWD/data/sources.json\\": {\\"pid\\": $$, \\"cmd\\": \\"dvc repro\\"}}}" > .dvc/tmp/rwlock
        dvc repro -f check
    """,
    "HEAD is detached after a killed experiment": "git switch --quiet --detach; git status",
    "`dvc exp apply` replaced uncommitted changes": """
        dvc exp run -n other -S seed=7 check && git checkout -q .
        echo mine >> README.md
        dvc exp apply other
    """,
    "A new architecture fails in the queue": """
        cp emnist/architectures/lenet.py emnist/architectures/mynet.py
        dvc exp run --temp -S model=mynet
    """,
    "A merge conflict in dvc.lock": """
        git switch --quiet -c theirs
        sed -i.old '1,12s/md5: ../md5: aa/' dvc.lock
        git commit -qam theirs
        git switch --quiet main
        sed -i.old '1,12s/md5: ../md5: bb/' dvc.lock
        git commit -qam ours
        git merge theirs
        dvc repro
    """,
    "An experiment cannot be compared": "dvc metrics diff main spinalnet",
}
CAUSES_ELSEWHERE = {
    "`make` refuses to install": "tests/unit/test_setup.py",
    "A package that is missing, too old or another's": "test_wheel.py",
    "A stage takes another Python": "test_machines.py",
    "A shallow clone": "test_repositories.py",
    "EMNIST cannot be downloaded": "tests/unit/test_http.py",
    "A folder that holds something else": "tests/unit/test_formats.py, tests/unit/test_checks.py",
    "No font has a character": "test_own_characters.py",
    "The memory is full": "tests/unit/test_errors.py",
    "The disk is full": "test_crash.py",
    "A GPU that cannot be used, or whose memory is full": "test_hardware.py, test_errors.py",
    "A container, a network drive": "test_machines.py, test_errors.py, test_setup.py",
    "A killed experiment still counts as running": "test_crash.py",
    "Results differ slightly from the committed ones": "no test: it takes another machine",
}


SECTIONS = dict(section.split("\n", 1) for section in re.split(r"^## ", TEXTS[TROUBLE], flags=re.M)[1:])


def blocks(text):
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)


def to_run(block):
    """List the commands of a block that are run here; none if they would only set up a shell."""
    lines = [f"{line} {UP_TO.get(line, '')}".rstrip() for line in commands(block) if not line.startswith(NOT_HERE)]
    return lines if any(not line.startswith(("source ", "export ")) for line in lines) else []


def run_script(folder, *lines, **options):
    script = folder.parent / "script.sh"
    script.write_text("\n".join(lines))
    return run(f"bash {script}", folder, **options).stdout


def pictures(folder):
    for name in ("photo.png", "scan.jpg"):
        picture = Image.new("L", (60, 90), 255)
        picture.paste(0, (25, 10, 33, 80))
        picture.save(folder / name)
    (folder / "scans").mkdir(exist_ok=True)
    picture.save(folder / "scans" / "one.png")
    shutil.copy(FOLDER / "lenet.onnx", folder / "mine.onnx")
    write(["a cat"]).save(folder / "page.png")
    scan, fields = form(["314", "88"])
    scan.save(folder / "form.png")
    (folder / "fields.csv").write_text(as_table(fields))


BLOCKS = [(name, block) for name, text in TEXTS.items() for block in blocks(text)]
FIXES = {block for title in CAUSES for block in blocks(SECTIONS[title])}  # run after what they fix
HERE = [(name, to_run(block)) for name, block in BLOCKS if block not in FIXES and to_run(block)]


@pytest.mark.parametrize(
    "name, lines",
    [
        pytest.param(name, lines, id=f"{name}-{lines[-1]}", marks=[pytest.mark.slow] * ("dvc queue status" in lines))
        for name, lines in HERE
    ],
)
def test_the_commands_of_a_block_run_one_after_the_other(pipeline, name, lines):
    pictures(pipeline)
    forked = 'PATH="$FORKED_PYTHON:$PATH"'  # which comes first in `run`'s environment, until a block activates another
    # All that is said: the queue's workers, too, write to it until they end.
    said = run_script(
        pipeline, "set -euo pipefail", *(f"{line}; {forked}" if "activate" in line else line for line in lines)
    )
    assert "ERROR" not in said and "error:" not in said, said
    if "dvc exp run -n spinalnet -S model=spinalnet" in lines:
        first = said.split("dvc exp run")[0].split("Ran experiment(s): spinalnet")[0]
        assert {"check", "search", "plots"} <= stages_run(first) and not {"download", "split"} & stages_run(first)
        assert "test.accuracy" in said and "file://" in said
        shown = list(csv.DictReader(run("dvc exp show --csv", pipeline).stdout.splitlines()))
        (spinalnet,) = (row for row in shown if row["Experiment"] == "spinalnet")
        assert float(spinalnet["float32.largest_difference"]) < 1e-4
        assert {"spinalnet", "lenet"} <= {row["model"] for row in shown if row["Experiment"]}
        assert run("dvc queue status", pipeline).stdout.count("Success") == 1
        assert "spinalnet" in run("dvc params diff main spinalnet", pipeline).stdout
        assert "bymerge_accuracy" in run("dvc metrics show", pipeline).stdout


@pytest.mark.parametrize("title", CAUSES)
def test_an_error_of_troubleshooting_is_what_the_command_says_and_its_fix_runs(pipeline, title):
    said = run_script(pipeline, CAUSES[title], check=False)
    messages = re.findall(r"```\n(.*?)```", SECTIONS[title], re.DOTALL)
    expected = [line for message in messages for line in message.splitlines() if "`make repro`" not in line]
    assert expected
    for line in expected:
        pattern = re.sub(r"\b(FOLDER|NUMBER|COMMAND|COMMIT)\b", ".*", re.escape(line))
        assert re.search(pattern, said), said
    mended = "".join(run_script(pipeline, "set -euo pipefail", block) for block in blocks(SECTIONS[title]))
    if "apply" in title:
        assert (pipeline / "README.md").read_text().endswith("mine\n")
    if "cache lacks" in title:
        assert "Stage 'search' is cached" in mended and not stages_run(mended)
    if "own files" in title or "conflict" in title:
        assert not stages_run(run("dvc repro check", pipeline).stdout)
    if "own files" in title:
        assert mended.count("half written") == 2 and "an empty folder in its run cache, removed now" in mended
        assert run("emnist repair", pipeline).stdout == ""


def test_every_section_of_troubleshooting_is_tried_here_or_elsewhere():
    assert set(SECTIONS) == {*CAUSES, *CAUSES_ELSEWHERE} and len(SECTIONS) >= 10


def test_every_command_that_is_run_elsewhere_or_in_part_is_in_a_block():
    found = [line for _, block in BLOCKS for line in commands(block)]
    assert [command for command in NOT_HERE if not any(line.startswith(command) for line in found)] == []
    assert set(UP_TO) <= set(found)


def test_the_readme_is_short():
    assert len(TEXTS["README.md"]) <= 8000


def test_no_page_holds_the_marks_of_a_merge():
    assert [name for name, text in TEXTS.items() if re.search("^(<{7}|>{7}) ", text, re.M)] == []


def anchors(text):
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_every_relative_link_leads_to_a_file_and_a_heading(name):
    text = re.sub(r"```.*?```", "", TEXTS[name], flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for link in [link for link in links if "://" not in link]:
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / name).parent / path if path else REPOSITORY / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def rows(name, header):
    """Give the cells of each row of the table of a page that begins so, without its header."""
    table = TEXTS[name].partition(header)[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_readme_shows_the_figures_of_emnist_that_the_results_show():
    header = "| model | the original: accuracy |"
    shown, results = rows("README.md", header), rows("docs/results.md", header)
    assert len(shown) == 5
    # The model, accuracy and weighted F1 of the original and of ours, and the accuracy on MNIST's test images.
    assert shown == [[cells[n] for n in (0, 1, 2, 3, 5, 11)] for cells in results]


@pytest.mark.parametrize("name", [name for name in TEXTS if not name.startswith("docs/log/")])
def test_no_published_command_has_more_than_five_settings(name):
    lines = TEXTS[name].replace("\\\n", " ").splitlines()
    assert [line for line in lines if len(re.findall(r"(?<!\S)-S\b", line)) > 5] == []
