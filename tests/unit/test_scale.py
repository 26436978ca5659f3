"""What `benchmarks.scale` measures of a stage."""

import shlex
import sys

import pytest

from benchmarks.scale import measure

HOLDING = """
import os, time
from pathlib import Path
worker = os.fork()
held = b"x" * 50_000_000
Path(".dvc/tmp/continue/stage").mkdir(parents=True, exist_ok=True)
Path(".dvc/tmp/continue/stage/state").write_bytes(b"x" * 1234)
time.sleep(1)
if worker:
    os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux tells it")
def test_the_memory_of_a_stage_and_its_workers_and_what_it_keeps_are_measured(tmp_path):
    seconds, most, own, kept = measure(f"exec {sys.executable} -c {shlex.quote(HOLDING)}", tmp_path)
    assert seconds >= 1 and most >= own and kept == 1234
    assert 100_000_000 < own < 150_000_000


def test_a_stage_that_fails_ends_the_measurement(tmp_path):
    with pytest.raises(SystemExit, match="ended with 3"):
        measure(f"exec {sys.executable} -c 'raise SystemExit(3)'", tmp_path)
