"""Experiments that run side by side in the background."""

import csv
import time

from project import run


def test_queued_experiments_run_in_the_background(pipeline):
    run("dvc exp run --queue -S 'transfer.epochs=2,3' transfer", pipeline)
    run("dvc queue start -j 2 > /dev/null 2>&1", pipeline)
    end = time.monotonic() + 300
    while (ended := run("dvc queue status", pipeline).stdout).count("Success") < 2:
        assert "Failed" not in ended and time.monotonic() < end, ended
        time.sleep(1)
    shown = run("dvc exp show --csv", pipeline).stdout
    assert {row["transfer.epochs"] for row in csv.DictReader(shown.splitlines())} == {"1", "2", "3"}
