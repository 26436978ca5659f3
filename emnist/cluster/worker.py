"""What a Dask worker does: name its versions, keep a commit, and run experiments in other processes.

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


def describe_worker(names, commit, dask_worker):
    """Return a worker's name, the versions of packages, and whether it keeps a commit."""
    from pathlib import Path

    has_commit = Path(dask_worker.local_directory, "emnist", f"{commit}.git").exists()
    return {"name": str(dask_worker.name), "versions": installed_versions(names), "has_commit": has_commit}


def keep_commit(commit, pack, dask_worker):
    """Keep a commit, given as a pack (bytes), in the folder of a worker."""
    import os
    import shutil
    import subprocess
    import tempfile
    from pathlib import Path

    folder = Path(dask_worker.local_directory) / "emnist"
    if (folder / f"{commit}.git").exists():  # another coordinator has just sent it
        return
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    made = tempfile.mkdtemp(dir=folder)
    git = ["git", "-C", made]
    try:
        subprocess.run([*git, "init", "--quiet", "--bare"], check=True)
        subprocess.run([*git, "index-pack", "--stdin"], input=pack, check=True, capture_output=True)
        Path(made, "shallow").write_text(f"{commit}\n")  # the commit whose history is not here
        subprocess.run([*git, "update-ref", "refs/heads/main", commit], check=True)
        os.rename(made, folder / f"{commit}.git")
    finally:
        shutil.rmtree(made, ignore_errors=True)


def run_experiment(run):
    """Run one experiment in a clone of its commit. One at a time in this worker: it gets all its threads or its GPU.

    The process that runs it, `emnist.cluster.run`, ends when its standard input is closed: when this task is no longer
    wanted, and when this worker ends.

    Parameters
    ----------
    run : dict
        ``name``, ``commit``, ``project`` (its folder in the commit), ``settings`` (as `dvc exp run -S` takes them),
        ``remote`` (its settings), ``checkpoints`` (a folder or None) and ``topic``, under which progress is logged.

    Returns
    -------
    dict
        ``bundle`` (bytes) with the experiment, or ``error`` (str), a sentence; ``worker`` (str), the name of this one.
    """
    import json
    import os
    import shutil
    import subprocess
    import sys
    import tempfile
    import threading
    import time
    from collections import deque
    from contextlib import suppress
    from pathlib import Path

    from distributed import Lock, Status, get_worker

    worker = get_worker()
    key, name, lock, tail = worker.get_current_task(), str(worker.name), None, deque(maxlen=50)
    kept = Path(worker.local_directory) / "emnist"

    def report(line):
        worker.log_event(run["topic"], {"run": run["name"], "settings": run["settings"], "on": name, "line": line})

    def wanted():
        task = worker.state.tasks.get(key)
        return worker.status == Status.running and task is not None and task.state == "executing"

    def watch():
        while process.poll() is None and wanted():
            time.sleep(0.2)
        process.stdin.close()

    with worker.__dict__.setdefault("emnist_turn", threading.Lock()):
        folder = Path(tempfile.mkdtemp(dir=kept, prefix="run-")) / "checkout"
        git = ["git", "-C", str(folder)]
        try:
            subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(folder)], check=True)
            subprocess.run(
                [*git, "fetch", "--quiet", "--depth", "1", kept / f"{run['commit']}.git", "main"], check=True
            )
            subprocess.run([*git, "reset", "--quiet", "--hard", "FETCH_HEAD"], check=True)
            process = subprocess.Popen(
                [sys.executable, "-u", "-m", "emnist.cluster.run"],
                cwd=folder / run["project"],
                env=os.environ | {"LOKY_MAX_CPU_COUNT": str(worker.state.nthreads)},
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a worker's terminal ends the worker, which then ends this
            )
            job = json.dumps(run | {"cache": str(kept / "cache"), "folder": str(folder.parent)})
            with suppress(BrokenPipeError):  # the process has ended, and says why
                print(job, file=process.stdin, flush=True)
            threading.Thread(target=watch, daemon=True).start()
            for line in process.stdout:
                line = line.rstrip()
                if line.startswith("\0lock "):
                    asked_for = Lock(f"emnist {line.removeprefix(chr(0) + 'lock ')}")
                    while wanted() and lock is None:
                        if asked_for.acquire(timeout=5):
                            lock = asked_for
                        else:
                            report("waits for another run, which does this stage")
                    print(file=process.stdin, flush=True)
                elif line == "\0unlock":
                    lock.release()
                    lock = None
                elif line:
                    tail.append(line)
                    report(line)
            if process.wait() == 0:
                return {"worker": name, "bundle": (folder.parent / "experiment.bundle").read_bytes()}
            for start in ("error: ", "ERROR: ", ""):  # a stage's error or ours, else DVC's, else the last line
                if found := [line for line in tail if line.startswith(start)]:
                    return {"worker": name, "error": found[0 if start else -1].removeprefix(start)}
            return {"worker": name, "error": "it was killed"}
        except (OSError, subprocess.CalledProcessError) as error:
            return {"worker": name, "error": f"{type(error).__name__}: {error}"}
        finally:
            if lock:
                lock.release()
            shutil.rmtree(folder.parent, ignore_errors=True)
