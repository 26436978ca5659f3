"""What a Dask worker does: name its versions, keep what it needs, and run experiments and calls in other processes.

Travels by value, so a worker needs no `emnist` of its own. Each function therefore imports what it uses.
"""


def installed_versions(names):
    """Return the versions (str, None if missing) of Python and of packages."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = {"Python": platform.python_version()}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def known_commit(commit, dask_worker):
    """Return which commit (str) this worker knows: this one, or that of the clone in which its Python is; or None."""
    import subprocess
    import sys
    from pathlib import Path

    if (Path(dask_worker.local_directory) / "emnist" / f"{commit}.git").exists():
        return commit
    done = subprocess.run(
        ["git", "-C", sys.prefix, "rev-parse", "--is-shallow-repository", "HEAD"], capture_output=True, text=True
    )
    shallow, _, head = done.stdout.strip().partition("\n")
    return head if done.returncode == 0 and shallow == "false" else None


def keep_commit(commit, known, pack, dask_worker):
    """Keep a commit in the folder of a worker: what it knows already (a commit or None), and a pack (bytes) of the rest."""
    import os
    import shutil
    import subprocess
    import sys
    import tempfile
    from pathlib import Path

    folder = Path(dask_worker.local_directory) / "emnist"
    if (folder / f"{commit}.git").exists():
        return
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    made = tempfile.mkdtemp(dir=folder)
    git = ["git", "-C", made]
    try:
        subprocess.run([*git, "init", "--quiet", "--bare"], check=True)
        if known:
            clone = subprocess.check_output(["git", "-C", sys.prefix, "rev-parse", "--show-toplevel"], text=True)
            subprocess.run([*git, "fetch", "--quiet", clone.rstrip("\n"), known], check=True)
        subprocess.run([*git, "index-pack", "--stdin", "--fix-thin"], input=pack, check=True, capture_output=True)
        subprocess.run([*git, "update-ref", "refs/heads/main", commit], check=True)
        os.rename(made, folder / f"{commit}.git")
    finally:
        shutil.rmtree(made, ignore_errors=True)


def keep_calls(key, code, calls, dask_worker):
    """Keep a package (bytes of a ZIP file) in the folder of a worker, and calls (base64) in its memory."""
    import shutil
    from pathlib import Path

    folder = Path(dask_worker.local_directory) / "emnist"
    folder.mkdir(exist_ok=True)
    (folder / f"{key}.zip").write_bytes(code)
    shutil.unpack_archive(folder / f"{key}.zip", folder / key)
    dask_worker.__dict__["emnist_calls"] = {key: calls}


def start_process(module, folder, first_line):
    """Start a module of a folder's `emnist`, which ends when its standard input is closed.

    That happens when this worker's present task is no longer wanted, and when this worker ends. The first line (JSON)
    that the process reads says what to do. Returns a `subprocess.Popen`, and a function that says whether the task is
    still wanted.
    """
    import json
    import subprocess
    import sys
    import threading
    import time

    from distributed import Status, get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted():
        task = worker.state.tasks.get(key)
        return worker.status == Status.running and task is not None and task.state == "executing"

    def watch():
        while process.poll() is None and wanted():
            time.sleep(0.2)
        process.stdin.close()

    process = subprocess.Popen(
        [sys.executable, "-u", "-m", module],
        cwd=folder,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C in a worker's terminal ends the worker, which then ends this
    )
    try:
        print(json.dumps(first_line), file=process.stdin, flush=True)
    except BrokenPipeError:
        pass  # it has ended, and says why
    threading.Thread(target=watch, daemon=True).start()
    return process, wanted


def error_in(lines):
    """Return the error (str) in what a process printed last."""
    for start in ("error: ", "ERROR: ", ""):  # a stage's or ours, else DVC's, else the last line
        if found := [line for line in lines if line.startswith(start)]:
            return found[0 if start else -1].removeprefix(start)
    return "it was killed"


def run_call(key, number):
    """Make one of the calls that `keep_calls` kept, in a process of its own.

    Returns
    -------
    dict
        ``result`` (JSON value), or ``error`` (str), a sentence.
    """
    import json
    from pathlib import Path

    from distributed import get_worker

    worker = get_worker()
    folder = Path(worker.local_directory) / "emnist" / key
    process, _ = start_process("emnist.cluster.call", folder, {"calls": worker.emnist_calls[key], "number": number})
    lines = process.stdout.read().splitlines()
    return {"error": error_in(lines[-50:])} if process.wait() else json.loads(lines[-1])


def run_experiment(run):
    """Run one experiment in a clone of its commit. One at a time in this worker: it gets all its threads or its GPU.

    Parameters
    ----------
    run : dict
        ``name``, ``commit``, ``settings`` (as `dvc exp run -S` takes them), ``remote`` (its settings), ``checkpoints``
        (a folder or None) and ``topic``, under which progress is logged.

    Returns
    -------
    dict
        ``bundle`` (bytes) with the experiment, or ``error`` (str), a sentence.
    """
    import shutil
    import subprocess
    import tempfile
    import threading
    from collections import deque
    from pathlib import Path

    from distributed import Lock, get_worker

    worker = get_worker()
    turn = worker.__dict__.setdefault("emnist_turn", threading.Lock())

    def report(line):
        worker.log_event(run["topic"], {"run": run["name"], "on": str(worker.name), "line": line})

    kept = Path(worker.local_directory) / "emnist"
    with turn:
        folder = Path(tempfile.mkdtemp(dir=kept, prefix="run-")) / "checkout"
        try:
            git = ["git", "-C", str(folder)]
            subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(folder)], check=True)
            subprocess.run([*git, "fetch", "--quiet", str(kept / f"{run['commit']}.git"), "main"], check=True)
            subprocess.run([*git, "reset", "--quiet", "--hard", "FETCH_HEAD"], check=True)
            process, wanted = start_process("emnist.cluster.run", folder, run | {"cache": str(kept / "cache")})
            lock, tail = None, deque(maxlen=50)
            for line in process.stdout:
                line = line.rstrip()
                if line.startswith("\0lock "):
                    lock = Lock(f"emnist {line.removeprefix(chr(0) + 'lock ')}")
                    while wanted() and not lock.acquire(timeout=5):
                        report("waits for another run, which does this stage")
                    print(file=process.stdin, flush=True)
                elif line == "\0unlock":
                    lock.release()
                    lock = None
                elif line:
                    tail.append(line)
                    report(line)
            if lock:
                lock.release()
            if process.wait():
                return {"error": error_in(tail)}
            return {"bundle": (folder / ".dvc/tmp/experiment.bundle").read_bytes()}
        except (OSError, subprocess.CalledProcessError) as error:
            return {"error": f"{type(error).__name__}: {error}"}
        finally:
            shutil.rmtree(folder.parent, ignore_errors=True)
