"""Calls that fail, memory that ends and power that is cut harm nothing; docs/safety.md has the long forms."""

import os
import re
import shutil
import subprocess
import sys
from hashlib import md5

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


def test_what_a_power_cut_left_in_the_cache_of_dvc_is_made_again(pipeline):
    expected = outputs(pipeline)

    def damage(name, left):
        path = pipeline / ".dvc/cache/files/md5" / re.sub("^..", r"\g<0>/", md5(expected[name]).hexdigest())
        path.chmod(0o644)
        path.write_bytes(left)
        path.chmod(0o444)  # by which DVC takes it as checked
        (pipeline / name).unlink()

    damage("data/sources.json", b"")
    damage("data/folders.json", bytes(10))
    assert "2 damaged files" in run("emnist repair", pipeline).stdout
    run("dvc repro scan", pipeline)
    assert outputs(pipeline) == expected
    damage("data/sources.json", b"")
    checked = pipeline / ".dvc/tmp/cache-checked"
    os.utime(checked, times=2 * (checked.stat().st_mtime + 7200,))  # what was written long before is not read again
    assert run("emnist repair", pipeline).stdout == ""
    assert "1 damaged file" in run("emnist repair --all", pipeline).stdout
    run("dvc repro check", pipeline)
    assert outputs(pipeline) == expected
    assert run("emnist repair", pipeline).stdout == ""
