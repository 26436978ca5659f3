"""A short form of ``python -m benchmarks.fuzz``, whose long form is in docs/safety.md."""

import subprocess
import sys

import pytest
from pipeline_helpers import REPOSITORY


@pytest.mark.slow
def test_no_parser_fails_on_damaged_or_made_up_files():
    command = [sys.executable, "-m", "benchmarks.fuzz", "--count", "500", "--seed", "7"]
    done = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") == 19
