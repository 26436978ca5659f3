"""The pipeline on other people's machines: environments, file systems and limits as they have them."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from pipeline_helpers import REPOSITORY, checkout, run


@pytest.fixture
def not_activated(tmp_path, monkeypatch):
    """Have a `python3` come first that lacks the pipeline's packages, as where no environment is activated."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(Path(sys._base_executable).resolve())
    monkeypatch.setenv("FORKED_PYTHON", "")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return f"env --unset=CONDA_PREFIX PATH={tmp_path}/bin:/usr/bin:/bin"


@pytest.mark.slow
def test_stages_run_in_the_environment_of_dvc_or_of_the_project(not_activated, tmp_path):
    (tmp_path / "copy").mkdir()
    folder = checkout(tmp_path / "copy")
    said = run(f"{not_activated} .venv/bin/dvc exp run --temp -S model=spinalnt check", folder, check=False).stdout
    assert "but is 'spinalnt' (did you mean spinalnet?)" in said and "No module named" not in said
    # Below a shell, which is no Python, as where DVC is started by another program.
    stage = f"cd .dvc/tmp && PYTHONPATH=../.. DVC_STAGE=nothing {not_activated} python3 -m stages.nothing; exit $?"
    assert "No module named stages.nothing" in run(f"sh -c {shlex.quote(stage)}", folder, check=False).stdout
    (folder / ".venv").rename(tmp_path / "moved")
    said = run(f"sh -c {shlex.quote(stage)}", folder, check=False).stdout
    assert said.startswith("error: python3 should be that of the environment that has PyTorch, but is ")


def test_work_is_shared_or_done_alone_where_nothing_in_shm_can_be_written_and_tmp_runs_no_programs(tmp_path):
    mounts = f"mount -t tmpfs -o ro none /dev/shm && mount -t tmpfs -o noexec none {tmp_path}"
    if run(f"unshare --mount sh -c {shlex.quote(mounts)}", REPOSITORY, check=False).returncode:
        pytest.skip("only root can mount")
    script = (
        "from emnist.utils.workers import run_in_workers; "
        "print(sorted(run_in_workers('test', abs, {1: (-1,), 2: (-2,)}, 2, 'free some memory')))"
    )
    command = f"{mounts} && TMPDIR={tmp_path} exec {sys.executable} -c {shlex.quote(script)}"
    assert run(f"unshare --mount sh -c {shlex.quote(command)}", REPOSITORY).stdout.endswith("[(1, 1), (2, 2)]\n")


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace: `apt-get install strace` on Debian")
def test_dvc_works_without_locks_as_troubleshooting_says(pipeline):
    status = (
        f"strace -f -qq -o /dev/null -e trace=flock -e inject=flock:error=ENOLCK {sys.executable} -m dvc status check"
    )
    assert run(status, pipeline, check=False).stdout.startswith("ERROR: Unable to acquire lock.")
    page = (REPOSITORY / "docs/troubleshooting.md").read_text()
    run(re.search("`(dvc config --local core.hardlink_lock true; .*?)`", page)[1], pipeline)
    assert run(status, pipeline).stdout == "Data and pipelines are up to date.\n"
