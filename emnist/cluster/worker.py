"""What a Dask worker does: name its versions, keep the commit, and run an experiment in a process of its own.

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


def keep_commit(commit, bundle, dask_worker):
    """Keep a commit's bundle (bytes) in the folder of a worker, which Dask gives as the last argument."""
    from pathlib import Path

    folder = Path(dask_worker.local_directory) / "emnist"
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    (folder / f"{commit}.tmp").write_bytes(bundle)
    (folder / f"{commit}.tmp").rename(folder / f"{commit}.bundle")


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
    import json
    import shutil
    import subprocess
    import sys
    import tempfile
    import threading
    from collections import deque
    from pathlib import Path

    from distributed import Lock, Status, get_worker

    worker = get_worker()
    key = worker.get_current_task()
    turn = worker.__dict__.setdefault("emnist_turn", threading.Lock())

    def wanted():
        task = worker.state.tasks.get(key)
        return worker.status == Status.running and task is not None and task.state == "executing"

    def watch(process):
        while process.poll() is None and wanted():
            ended.wait(1)
        process.stdin.close()  # by which the process knows that it should end

    def report(line):
        worker.log_event(run["topic"], {"run": run["name"], "on": str(worker.name), "line": line})

    kept = Path(worker.local_directory) / "emnist"
    with turn:
        folder = Path(tempfile.mkdtemp(dir=kept, prefix="run-")) / "checkout"
        ended = threading.Event()
        try:
            git = ["git", "-C", str(folder)]
            subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(folder)], check=True)
            subprocess.run([*git, "fetch", "--quiet", str(kept / f"{run['commit']}.bundle"), "HEAD"], check=True)
            subprocess.run([*git, "reset", "--quiet", "--hard", "FETCH_HEAD"], check=True)
            process = subprocess.Popen(
                [sys.executable, "-u", "-m", "emnist.cluster.run"],
                cwd=folder,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a worker's terminal ends the worker, which then ends this
            )
            print(json.dumps(run | {"cache": str(kept / "cache")}), file=process.stdin, flush=True)
            threading.Thread(target=watch, args=[process], daemon=True).start()
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
                errors = (
                    [line for line in tail if line.startswith(("error: ", "ERROR: "))]
                    or list(tail)[-1:]
                    or ["it was killed"]
                )
                return {"error": errors[0].removeprefix("error: ").removeprefix("ERROR: ")}
            return {"bundle": (folder / ".dvc/tmp/experiment.bundle").read_bytes()}
        except (OSError, subprocess.CalledProcessError) as error:
            return {"error": f"{type(error).__name__}: {error}"}
        finally:
            ended.set()
            shutil.rmtree(folder.parent, ignore_errors=True)
