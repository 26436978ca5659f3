"""`predict`, `read`, `page`, `serve` and `Reader` where nothing is that only POSIX has, as on Windows."""

import json
import os
import subprocess
import sys
import urllib.request

import pytest
from glyphs import glyph, on_paper
from pipeline_helpers import REPOSITORY

# Python runs it first in each process, since it is called sitecustomize.
HIDE = """
import ctypes, os, signal, subprocess, sys
if sys.platform != "win32":
    for module in ("fcntl", "grp", "pwd", "resource", "termios"):
        sys.modules[module] = None
    for name in ("fork", "forkpty", "geteuid", "getpgid", "getuid", "killpg", "mkfifo", "sched_getaffinity", "setsid"):
        if hasattr(os, name):
            delattr(os, name)
    for name in ("SIGALRM", "SIGHUP", "alarm", "pthread_sigmask", "setitimer"):
        delattr(signal, name)
    ctypes.CDLL = None  # through which prctl is called
"""


@pytest.fixture
def windows(tmp_path):
    """The environment of a Python that lacks what Windows lacks, and a picture of a 4 in the folder."""
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    on_paper(glyph()).save(tmp_path / "four.png")
    return {
        "cwd": tmp_path,
        "env": os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)])},
        "text": True,
    }


def test_a_picture_is_predicted_and_read_and_a_page_written(windows):
    command = [sys.executable, "-m", "emnist"]
    done = subprocess.run([*command, "predict", "four.png", "--json"], **windows, check=True, capture_output=True)
    assert json.loads(done.stdout)[0]["predictions"][0]["character"] == "4"
    done = subprocess.run([*command, "read", "four.png"], **windows, check=True, capture_output=True)
    assert done.stdout == "four.png: 4\n"
    done = subprocess.run([*command, "page", "four.png"], **windows, capture_output=True)
    assert done.stderr == "error: four.png should be a folder, but is a file: name another\n"
    code = (
        "from emnist import Reader; from emnist.page.write import write_static_page; from emnist.page.runtime import SHA256\n"
        "write_static_page('out', {'lenet': 'lenet'}, lambda: dict.fromkeys(SHA256, b''))\n"
        "print(Reader('lenet').predict('four.png')[0].character)"
    )
    done = subprocess.run([sys.executable, "-c", code], **windows, check=True, capture_output=True)
    assert done.stdout == "4\n" and (windows["cwd"] / "out/index.html").exists()


def test_a_server_answers_and_keeps_drawings(windows):
    command = [sys.executable, "-m", "emnist", "serve", "--port", "0", "--model", "lenet", "--keep", "kept"]
    server = subprocess.Popen(command, **windows, stdout=subprocess.PIPE)
    try:
        url = server.stdout.readline().split()[0]
        picture = (windows["cwd"] / "four.png").read_bytes()
        request = urllib.request.Request(f"{url}/predict", picture, {"Content-Type": "image/png"})
        (answer,) = json.load(urllib.request.urlopen(request))["pictures"]
        assert answer["networks"][0]["predictions"][0]["character"] == "4"
    finally:
        server.terminate()
        server.communicate()
    assert (windows["cwd"] / "kept").is_dir()
