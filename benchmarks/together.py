"""Two of everything at once: each scenario ends in the right bytes, or in one sentence.

    python -m benchmarks.together

Runs the tiny pipeline of the tests once, and each scenario in a copy of it. `--pipeline FOLDER` takes one that has run.
Prints a line a scenario, and exits with 1 if one fails.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from kill_helpers import differences
from pipeline_helpers import checkout, commit, environment, outputs, run, stages_run

from benchmarks import make_parser, print_header, print_row
from emnist.utils.errors import UserError, run_cli

BUSY = "being blocked by|Unable to acquire lock|waiting for another|already exists|is locked by another"


def start(command, folder):
    """Start a shell command; its output is in a file, which no process that it leaves behind can hold open."""
    output, env = tempfile.TemporaryFile("w+"), environment()
    process = subprocess.Popen(command, cwd=folder, shell=True, env=env, stdout=output, stderr=subprocess.STDOUT)
    process.output = output
    return process


def finish(process):
    """Wait for a command; give its exit code and output."""
    code = process.wait()
    process.output.seek(0)
    return code, process.output.read()


def both(first, second, folder, delay=0.0, dvc_may_fail=False):
    """Run two commands at once: at least one succeeds, and one that fails says that the other is at work.

    With `dvc_may_fail`, each may end in another error of DVC. Returns the exit codes, and these errors.
    """
    a = start(first, folder)
    time.sleep(delay)
    results = [finish(each) for each in (a, start(second, folder))]
    errors = [
        next((line for line in reversed(said.splitlines()) if line.startswith("ERROR: ")), said)
        for code, said in results
        if code and not re.search(BUSY, said)
    ]
    assert dvc_may_fail or not errors, results
    assert dvc_may_fail or 0 in [code for code, _ in results], results
    assert not any("Traceback" in said for _, said in results), results
    return " ".join([str([code for code, _ in results]), *map(repr, errors)])


def same(folder, expected):
    """Check that the outputs of the committed parameters have the bytes that they should."""
    run("git checkout -q params.yaml && dvc repro", folder)
    assert not (found := differences(outputs(folder), expected)), found


@contextlib.contextmanager
def linked(folder):
    """Have a folder outside of the checkout meanwhile, with a symbolic link in its place."""
    elsewhere = Path(tempfile.mkdtemp()) / folder.name
    shutil.move(folder, elsewhere)
    folder.symlink_to(elsewhere)
    try:
        yield
    finally:
        folder.unlink()
        shutil.move(elsewhere, folder)
        elsewhere.parent.rmdir()


def refusal(command, folder):
    """Run a command that must be refused in one sentence, and give this sentence."""
    done = run(command, folder, check=False)
    assert done.returncode and "Traceback" not in done.stdout, done.stdout
    return done.stdout.strip().splitlines()[-1].replace(f"{folder}/", "").replace(str(folder), ".")


def changed(folder):
    """List the stages that DVC says are not up to date, but for `scan`, which it always runs."""
    return set(re.findall(r"^(\w+):$", run("dvc status", folder).stdout, re.M)) - {"scan"}


def two_repro(folder, expected):
    run("rm -rf data/weights data/search .dvc/cache", folder)
    return both("dvc repro", "dvc repro", folder)


def experiment_beside_repro(folder, expected):
    run("rm -rf data/weights .dvc/cache", folder)
    codes = both("dvc repro", "dvc exp run -S recipes.annealed.finetune.learning_rate=0.002", folder, delay=4)
    run("git symbolic-ref -q HEAD", folder)  # fails if git was left without a branch
    return codes


def two_experiments(folder, expected):
    codes = both("dvc exp run -S transfer.epochs=2", "dvc exp run -S transfer.epochs=3", folder, dvc_may_fail=True)
    run("git symbolic-ref -q HEAD", folder)
    run("dvc exp run -S transfer.epochs=2 && dvc exp run -S transfer.epochs=3", folder)
    return codes


def two_queues(folder, expected):
    for epochs in (2, 3):
        run(f"dvc exp run --queue --name epochs-{epochs} -S transfer.epochs={epochs}", folder)
    codes = both("dvc queue start", "dvc queue start", folder, dvc_may_fail=True)
    end = time.monotonic() + 900
    while run("git for-each-ref refs/exps | grep -c epochs-", folder, check=False).stdout.strip() != "2":
        assert time.monotonic() < end, run("dvc queue status", folder).stdout
        time.sleep(3)
    return codes


def two_comparisons(folder, expected):
    codes = both(*["emnist compare --models lenet --seeds 42,43 --jobs 1"] * 2, folder)
    names = re.findall("lenet-[0-9-]+", run("git for-each-ref refs/exps", folder).stdout)
    assert sorted(names) == ["lenet-42", "lenet-43"], names
    shutil.rmtree(folder / "plots/comparison")  # the report
    return codes


def repair_beside_repro(folder, expected):
    run("rm -rf data/weights .dvc/cache", folder)
    living, repairs = start("dvc repro", folder), 0
    while living.poll() is None:
        assert "half written" not in run("emnist repair", folder).stdout
        repairs += 1
    assert finish(living)[0] == 0
    return f"{repairs} repairs"


def moved_folder(folder, expected):
    moved = folder.rename(folder.with_name("moved here"))
    try:
        assert not changed(moved)
        run("dvc repro --force --single-item split && dvc exp run -S transfer.epochs=2", moved)
    finally:
        moved.rename(folder)


def clocks_that_jump(folder, expected):
    for days in (-4000, 4000):
        moment = time.time() + 86400 * days
        for path in [*folder.rglob("data/**/*"), *folder.glob(".dvc/tmp/**/*"), *folder.glob("emnist/**/*.py")]:
            if path.is_file():
                os.utime(path, (moment, moment))
        run("dvc repro && dvc repro --force --single-item finetune", folder)


def links_in_data(folder, expected):
    with linked(folder / "data/raw"):
        run("dvc repro --force --single-item split", folder)
        run("dvc exp run -S transfer.epochs=2", folder)
    with linked(folder / "data/weights"):
        return refusal("dvc repro --force --single-item initialise", folder)


def link_for_data(folder, expected):
    with linked(folder / "data"):
        assert not changed(folder)
        return refusal("dvc repro --force --single-item split", folder)


def shared_cache(folder, expected):
    cache, other = folder.with_name("cache"), folder.with_name("other")
    run(f"mv .dvc/cache {cache} && chmod -R g+rwX {cache} && dvc cache dir {cache}", folder)
    run("dvc config cache.shared group && dvc config cache.type hardlink,copy && git commit -qam cache", folder)
    run(f"git clone -q {folder} {other}", folder)
    said = run("dvc checkout && dvc repro", other).stdout
    assert not stages_run(said), said
    run("dvc repro --force --single-item split && dvc exp run -S transfer.epochs=2", other)
    private = [path for path in cache.rglob("*") if path.is_dir() and not path.stat().st_mode & 0o020]
    assert not private, private
    assert differences(outputs(folder), expected) == []


PAIRS = [two_repro, experiment_beside_repro, two_experiments, two_queues, two_comparisons, repair_beside_repro]
PLACES = [moved_folder, clocks_that_jump, links_in_data, link_for_data, shared_cache]


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--pipeline", type=Path, help="a tiny pipeline that has run; default: it runs now")
    parser.add_argument("--only", help="a regular expression, of the scenarios' names")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as parent:
        parent = Path(parent)
        parent.chmod(0o755)
        if options.pipeline and not (options.pipeline / "dvc.lock").exists():
            raise UserError(f"--pipeline should be a pipeline that has run, but {options.pipeline} holds no dvc.lock")
        finished = options.pipeline or checkout(parent / "finished")
        if not options.pipeline:
            run("dvc repro && git add dvc.lock metrics plots", finished)
            commit(finished, "The results")
        expected = outputs(finished)
        print_header("scenario", "seconds", "result")
        for scenario in PAIRS + PLACES:
            if not re.search(options.only or "", scenario.__name__):
                continue
            folder = shutil.copytree(finished, parent / scenario.__name__ / "pipeline", symlinks=True)
            begun = time.monotonic()
            try:
                said = scenario(folder, expected)
                same(folder, expected)
            except Exception as error:
                failed += 1
                traceback.print_exc()
                said = f"**failed**: {' '.join(str(error).split())[-300:]}"
            seconds = f"{time.monotonic() - begun:.0f}"
            print_row(scenario.__name__.replace("_", " "), seconds, said or "right bytes")
            shutil.rmtree(parent / scenario.__name__, ignore_errors=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    run_cli(main)
