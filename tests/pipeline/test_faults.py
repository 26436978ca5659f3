"""Calls that fail, memory that ends and power that is cut harm nothing; docs/safety.md has the long forms."""

import os
import shutil
import subprocess
import sys

import pytest
from pipeline_helpers import REPOSITORY, outputs, run


def benchmark(name, *arguments):
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_commands_run_outside_of_the_tests_too(monkeypatch, tmp_path):  # as for the benchmarks
    monkeypatch.delenv("FORKED_PYTHON")
    assert run("echo done", tmp_path).stdout == "done\n"


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace: `apt-get install strace` on Debian")
def test_calls_that_fail_harm_nothing(finished_pipeline):
    done = benchmark("faults", "--project", finished_pipeline, "--stages", "split", "--most", 6)
    assert done.returncode == 0 and "6 faults, seed 0" in done.stdout, done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited as Linux does it")
def test_memory_that_ends_harms_nothing(finished_pipeline):
    done = benchmark("memory", "--project", finished_pipeline, "--stages", "split", "--limits", 2)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "left, options, wait",
    [(b"", "", 0), (bytes(10), "", 0), (b"", " --all", 7200)],
    ids=["empty", "zeros", "checked-before"],
)
def test_what_a_power_cut_left_in_the_cache_of_dvc_is_made_again(pipeline, left, options, wait):
    expected = outputs(pipeline)
    path = next(path for path in (pipeline / ".dvc/cache/files/md5").glob("??/*") if b'"sample"' in path.read_bytes())
    path.chmod(0o644)
    path.write_bytes(left)
    path.chmod(0o444)  # by which DVC takes it as checked
    os.unlink(pipeline / "data/sources.json")
    if wait:  # what was written long before the last check is not read again
        checked = pipeline / ".dvc/tmp/cache-checked"
        checked.touch()
        os.utime(checked, times=2 * (checked.stat().st_mtime + wait,))
        assert run("emnist repair", pipeline).stdout == ""
    assert "1 damaged file" in run(f"emnist repair{options}", pipeline).stdout
    run("dvc repro check", pipeline)
    assert outputs(pipeline) == expected
    assert run("emnist repair", pipeline).stdout == ""
