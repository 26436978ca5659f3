"""Stages, Dask's scheduler and workers, ``dvc`` and ``emnist`` as forks of one process that has imported what they need.

Importing takes them longer than their work on a few images. `start` makes a folder with a ``python3``, a ``dvc`` and an
``emnist`` that hand their command over to that process. The fork has the command's folder, environment, input and
output, imports the project's own modules from that folder, gets SIGINT and SIGTERM, and gives the exit code. ``python3``,
which is ``sys.executable`` in a fork, runs any other command as ever. What is imported is never collected, neither by a
fork nor at its end: that would copy all of its memory, which takes a second.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

IMPORTED = """
    antlr4 celery.canvas distributed dulwich.porcelain dulwich.stash dvc.api dvc.cli.parser dvc.data_cloud
    dvc.repo.artifacts dvc.repo.brancher dvc.repo.experiments.queue.celery dvc.repo.experiments.queue.workspace
    dvc.repo.experiments.run dvc.repo.experiments.show dvc.repo.plots.diff dvc.repo.reproduce dvc.repo.stage
    dvc.stage.run dvc.utils.plots dvc.utils.strictyaml dvc_data.hashfile.db.local dvc_data.index.checkout hydra
    hydra._internal.config_loader_impl hydra._internal.instantiate._instantiate2 joblib matplotlib.pyplot networkx
    omegaconf onnx onnxruntime.quantization onnxscript pandas pydantic requests ruamel.yaml safetensors.torch
    scipy.interpolate scipy.ndimage scipy.stats seaborn sklearn.datasets sklearn.metrics sklearn.model_selection torch
    torch._dynamo torch.onnx tqdm yaml
""".split()
HANDED_OVER = ("-m stages.", "-m distributed.cli.", "-m dvc ", "-u -m emnist.cluster.run")  # arguments begin so


def start():
    """Start the process, which ends with this one, and return the folder; elsewhere than on Linux an empty one."""
    from emnist.utils.environment import set_environment

    set_environment()  # which the libraries read when they are imported
    folder = Path(tempfile.mkdtemp(prefix="emnist-"))
    if sys.platform != "linux":  # macOS forbids much in forks, and lacks this kind of socket
        return folder
    python = shlex.quote(sys.executable)
    hand_over = f"exec {shlex.join([sys.executable, '-IS', __file__, str(folder / 'socket')])}"
    patterns = " | ".join(f'"{arguments}"*' for arguments in HANDED_OVER)
    commands = {
        "python3": f'case "$*" in {patterns}) {hand_over} "$@";; esac\nexec {python} "$@"',
        "dvc": f'{hand_over} -m dvc "$@"',
        "emnist": f'{hand_over} -m emnist "$@"',
    }
    commands["python"] = commands["python3"]
    for name, script in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,  # which closes when this process ends
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return folder


def hand_over(address, *arguments):
    """Run a module, as Python's arguments name it, in a fork, and exit as it does."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(address)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: connection.send(bytes([number])))
    command = arguments[arguments.index("-m") + 1 :]
    message = json.dumps([command, os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(connection, [message], [0, 1, 2])
    sys.exit(connection.recv(1)[0])


def fork_for_each(listener):
    """Fork for each command that comes in; return, in the fork, the module to run."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that no fork that has ended stays
    while 0 not in select.select([listener, 0], [], [])[0]:
        for name in IMPORTED:  # once, and not at all where no command comes
            with suppress(ModuleNotFoundError):  # of an extra
                importlib.import_module(name)
        gc.freeze()
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return prepare(connection)
        connection.close()
    shutil.rmtree(Path(listener.getsockname()).parent)
    os._exit(0)


def prepare(connection):
    """Fork once more: return the module to run in the new process, and wait for its end in this one."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, descriptors, _, _ = socket.recv_fds(connection, 2**20, 3)
    (module, *arguments), folder, environment = json.loads(message)
    python = Path(connection.getsockname()).with_name("python3")
    process = os.fork()
    if process == 0:
        connection.close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", 1, closefd=False)
        sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)
        os.environ.clear()
        os.environ.update(environment)
        if any(name.startswith("DASK_") for name in environment):
            sys.modules["dask.config"].refresh()
        os.chdir(folder)
        sys.executable, sys.path[0] = str(python), folder
        sys.argv = ["-m", *arguments]  # as while Python looks for the module to run
        return module
    for descriptor in descriptors:
        os.close(descriptor)
    threading.Thread(target=pass_signals, args=(connection, process), daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    connection.send(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def pass_signals(connection, process):
    while number := connection.recv(1):
        os.kill(process, number[0])
    os.kill(process, signal.SIGKILL)  # as the command was


def leave(status):
    """End the process without the work of an interpreter's end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(*status)


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        status = [1]  # of an exception
        atexit.register(leave, status)  # first, so that it comes after all that libraries and the command register
        try:
            runpy.run_module(fork_for_each(socket.socket(fileno=int(sys.argv[1]))), run_name="__main__", alter_sys=True)
            status[0] = 0
        except SystemExit as end:
            status[0] = end.code or 0
            raise
    else:
        hand_over(*sys.argv[1:])
