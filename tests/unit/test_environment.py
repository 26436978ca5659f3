"""How many cores a process may use, where a container or a job has a quota."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emnist.utils.environment import cores, cpu_quota

CPU_GROUPS = Path("/sys/fs/cgroup/cpu")


@pytest.mark.parametrize(
    "membership, files, expected",
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),  # a container with cgroup v2
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/user.slice/job\n", {"user.slice/cpu.max": "50000 100000", "user.slice/job/cpu.max": "max 100000"}, 0.5),
        ("4:cpu,cpuacct:/docker/ab\n0::/\n", {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("5:cpuset:/\n", {"cpu.max": "100000 100000"}, math.inf),
    ],
    ids=["v2", "v2 no limit", "v2 systemd", "v1 docker", "v1 no limit", "no processor's"],
)
def test_the_quota_of_a_control_group_is_seen(membership, files, expected, tmp_path):
    for name, content in files.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(content)
    (tmp_path / "cgroup").write_text(membership)
    assert cpu_quota(tmp_path / "cgroup", tmp_path / "tree") == expected


@pytest.mark.parametrize(
    "backend, kept", [("module://nowhere.backend_inline", ""), ("module://emnist.x", "module://emnist.x")]
)
def test_a_notebooks_backend_is_left_out_where_it_is_not_installed(backend, kept):
    code = "import os, emnist; print(os.environ.get('MPLBACKEND', ''))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"MPLBACKEND": backend})
    assert done.stdout.strip() == kept


@pytest.fixture
def group():
    """A real control group that has half a core's time."""
    group = CPU_GROUPS / "emnist-test"
    try:
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("50000")
    except OSError:
        pytest.skip("only root can make control groups, here of version 1")
    yield group
    group.rmdir()


def test_a_real_quota_limits_the_cores(group):
    count = f"{sys.executable} -c 'from emnist.utils.environment import *; print(cpu_quota(), cores())'"
    command = f"{count}; echo $$ > {group}/cgroup.procs; {count}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == f"{cpu_quota()} {cores()}\n0.5 1\n"
