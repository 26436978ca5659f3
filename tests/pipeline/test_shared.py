"""A folder, a cache or a machine that several people use, and several commands at once: right results or one sentence."""

import os
import re

from kill_helpers import differences
from pipeline_helpers import outputs, run

RAW = "data/raw/emnist-byclass-train-images-idx3-ubyte.gz"


def change_unnoticed(path):
    """Change a file's last bytes, but neither its size nor its time, by which DVC would notice."""
    times = os.stat(path)
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes(byte ^ 1 for byte in content[-9:]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_file_in_data_that_someone_changed_behind_dvc_is_refused_by_its_content(finished_pipeline, pipeline):
    before = (pipeline / RAW).read_bytes()
    run("dvc repro split", pipeline)  # so that DVC knows the files of this copy by their times
    change_unnoticed(pipeline / RAW)
    assert "didn't change" in run("dvc repro download", pipeline).stdout
    said = run("dvc repro --single-item --force split", pipeline, check=False).stdout
    assert re.search(f"^error: {RAW} should have the MD5 .* changed it: delete it .*run `dvc repro`$", said, re.M), said
    (pipeline / RAW).unlink()
    run("dvc repro split", pipeline)
    assert (pipeline / RAW).read_bytes() == before
    run("dvc checkout", pipeline)
    assert differences(outputs(finished_pipeline), outputs(pipeline)) == []
