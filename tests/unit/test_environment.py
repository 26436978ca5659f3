"""How many cores a process may use, where a container or a job has a quota."""

import math
import os
import subprocess
import sys

import pytest

from emnist.utils import environment


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
    assert environment.cpu_quota(tmp_path / "cgroup", tmp_path / "tree") == expected


@pytest.mark.parametrize(
    "backend, kept", [("module://nowhere.backend_inline", ""), ("module://emnist.x", "module://emnist.x")]
)
def test_a_notebooks_backend_is_left_out_where_it_is_not_installed(backend, kept):
    code = "import os, emnist; print(os.environ.get('MPLBACKEND', ''))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"MPLBACKEND": backend})
    assert done.stdout.strip() == kept


def test_a_quota_limits_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8), raising=False)
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    for quota, allowed in (math.inf, 8), (1.5, 2):
        monkeypatch.setattr(environment, "cpu_quota", lambda: quota)
        assert environment.cores() == allowed
