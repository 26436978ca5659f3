"""The container of `Containerfile`: built, small, and serving as a user who can write nothing."""

import os
import shutil
import subprocess
import time
import urllib.request

import pytest
from pipeline_helpers import REPOSITORY

ENGINE = next(filter(None, map(shutil.which, ("podman", "docker"))), None)
NAME = "emnist-test"


def engine(*arguments):
    return subprocess.run([ENGINE, *arguments], cwd=REPOSITORY, capture_output=True, text=True)


@pytest.fixture(scope="module")
def image():
    if ENGINE is None:
        pytest.skip("needs podman or docker: on Debian and Ubuntu `apt-get install podman` installs it")
    if (tried := engine("info")).returncode:
        pytest.skip(f"{ENGINE} does not work here: {tried.stderr.strip()[-200:]}")
    bases = [f"--build-arg={name}={os.environ[name]}" for name in ("BUILD", "BASE") if name in os.environ]
    form = ["--format=docker"] if "podman" in ENGINE else []  # the other one has no health check
    built = engine("build", *form, *bases, "--file=Containerfile", f"--tag={NAME}", ".")
    if any(sign in built.stderr for sign in ("no such host", "connection refused", "i/o timeout")):
        pytest.skip(f"the images to build on cannot be fetched: {built.stderr.strip()[-200:]}")
    assert built.returncode == 0, built.stderr
    yield NAME
    engine("image", "rm", "--force", NAME)


@pytest.mark.slow
def test_the_container_serves_read_only_and_as_no_root(image):
    size, user = engine("image", "inspect", "--format={{.Size}} {{.Config.User}}", image).stdout.split()
    assert int(size) <= 250e6 and user not in ("", "0", "root")
    started = engine("run", "--detach", "--rm", "--read-only", "--cap-drop=all", "--publish=127.0.0.1::8000", image)
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        address = engine("port", container, "8000").stdout.strip()
        for _ in range(60):
            time.sleep(1)
            try:
                assert b"Draw a character" in urllib.request.urlopen(f"http://{address}/", timeout=5).read()
                break
            except OSError:  # it has not started yet
                continue
        else:
            pytest.fail(engine("logs", container).stderr)
        check = ["/usr/bin/python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz')"]
        assert engine("exec", container, *check).returncode == 0
        written = engine("exec", container, "/usr/bin/python3", "-c", "open('/site/x', 'w')")  # podman lends a /tmp
        assert "Read-only file system" in written.stderr
    finally:
        engine("rm", "--force", container)
