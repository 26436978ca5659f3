"""What the system refuses ends a command in one sentence. The long forms are benchmarks/faults.py and memory.py."""

import errno
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios

import numpy as np
import pytest
import torch

from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError, run_cli
from emnist.utils.locks import exclusive_lock


@pytest.fixture
def run(capsys):
    """Run a function as a command; gives its exit code and what it printed on standard error."""

    def call(function):
        with pytest.raises(SystemExit) as ended:
            run_cli(function)
        return ended.value.code, capsys.readouterr().err

    return call


def failing(number):
    def call(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return call


def read_what_seems_damaged_where_memory_ends():
    try:
        failing(errno.ENOMEM)()
    except OSError as error:
        raise UserError(f"data/array.npy is damaged ({error}): delete it") from None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("call", ["open", "fsync", "chmod", "replace"])
@pytest.mark.parametrize("undeletable", [False, True])
def test_a_refused_write_is_one_sentence_and_keeps_the_old_file(tmp_path, monkeypatch, run, call, number, undeletable):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing(number))
        if undeletable:
            patched.setattr(os, "unlink", failing(errno.EROFS))
        code, said = run(lambda: write_bytes(path, b"new"))
    assert code == 1 and said.startswith("error: ") and said.count("\n") == 1 and str(path) in said
    assert path.read_bytes() == b"old"
    assert undeletable or os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_permissions_keeps_its_own(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "chmod", failing(number))
    write_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, capsys, number):
    monkeypatch.setattr(fcntl, "flock", failing(number))
    with exclusive_lock(tmp_path / "folder", "another download") as folder:
        assert folder.is_dir()
    said = capsys.readouterr().out
    assert said.startswith(f"warning: {folder} is on a file system without locks (") and said.count("\n") == 1
    assert said.endswith("do not start another download beside this\n")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_terminal_that_lacks_a_character_shows_its_number(locale):
    script = (
        "from emnist.utils.errors import run_cli; from emnist.utils.progress import log; run_cli(lambda: log(chr(177)))"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"} if locale == "C" else {"LC_ALL": locale}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, env=os.environ | ascii_only)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (b"\\xb1\n" if locale == "C" else "±\n".encode())


def test_a_bar_fits_a_narrow_terminal():
    script = "from emnist.utils.progress import progress; list(progress(range(3), 'pretrain epoch 12/200', 3, 'batch'))"
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    subprocess.run([sys.executable, "-c", script], stderr=inside, check=True)
    os.close(inside)
    shown = re.split(r"[\r\n]+", os.read(terminal, 10_000).decode())
    os.close(terminal)
    assert any("pretrain epoch" in line for line in shown) and max(map(len, shown)) <= 40


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_whose_streams_are_closed_ends_without_a_traceback(closed):
    script = "from emnist.utils.errors import run_cli; run_cli(lambda: (os.dup2(2, 9), print('x'), sys.stdin.read()))"
    command = f"{sys.executable} -c {shlex.quote(f'import os, sys; {script}')} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", ["--help", "predict --help", "summary"])
def test_a_reader_that_is_gone_ends_a_command_without_a_traceback(arguments):
    command = f"(sleep 0.1; env -u PYTHONUNBUFFERED {sys.executable} -m emnist {arguments}) | true"
    assert "Error" not in subprocess.run(["sh", "-c", command], capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    "take, wanted",
    [
        (lambda: np.ones(2**50, np.uint8), "1.00 PiB"),
        (lambda: torch.ones(2**50, dtype=torch.uint8), f"{2**50} bytes"),
        (lambda: bytes(2**62), "some"),
        (failing(errno.ENOMEM), "some"),
        (read_what_seems_damaged_where_memory_ends, "some"),
    ],
    ids=["numpy", "torch", "python", "system", "damaged file"],
)
def test_too_little_memory_is_one_sentence_that_says_what_to_lower(run, take, wanted):
    code, said = run(take)
    assert code == 1 and said.startswith("error: not enough memory: this process holds ") and said.count("\n") == 1
    assert f"wants {wanted} more: " in said and "batch_size or compute.workers in params.yaml" in said


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB", "2.00 GiB"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "some"),
    ],
)
def test_memory_of_a_gpu_is_not_told_as_that_of_the_process(run, text, wanted):
    def compute():
        raise torch.OutOfMemoryError(text)

    code, said = run(compute)
    assert code == 1 and said.startswith(f"error: not enough memory on the GPU: {wanted} more is wanted: ")
    assert "set compute.device to cpu in params.yaml" in said and said.count("\n") == 1


def test_memory_that_ends_during_an_import_is_one_sentence():
    command = (
        "import sys; sys.argv[0] = '-m'; import stages; import resource;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)); import torch"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: not enough memory: ") and done.stderr.count("\n") == 1


def test_an_error_in_the_code_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_cli(lambda: 1 / 0)


TWO_SIGNALS = """
    both = {signal.SIGHUP, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, both)
    for number in both:
        os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
"""
ANOTHER_ERROR = """
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException:
        raise AttributeError("half imported") from None
"""


@pytest.mark.parametrize(
    "body, code, word",
    [(TWO_SIGNALS, 129, "hung up"), (ANOTHER_ERROR, 143, "terminated")],
    ids=["two at once", "a library makes another error of it"],
)
def test_a_signal_is_one_sentence(body, code, word):
    script = f"import os, signal\nfrom emnist.utils.errors import run_cli\ndef main():{body}"
    script += "signal.signal(signal.SIGHUP, signal.SIG_DFL)\nrun_cli(main)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, f"{word}: run the same command again to continue\n")
