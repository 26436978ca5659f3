"""A real Dask cluster on loopback, and a project so small that faults can be tried on it in seconds."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import yaml
from pipeline_helpers import fast_environment, run

# How soon a lock is free again that a killed worker had: by default in half a minute.
SHORT_LOCKS = {
    "DASK_DISTRIBUTED__SCHEDULER__LOCKS__LEASE_TIMEOUT": "2s",
    "DASK_DISTRIBUTED__SCHEDULER__LOCKS__LEASE_VALIDATION_INTERVAL": "500ms",
}
OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]  # a user may mount there, on most Linuxes
# A stage that marks in a folder outside of the project that it and its epochs begin, and works for a while.
WORK = """
import os, pathlib, sys, tempfile, time, yaml
from collections import defaultdict

stage, *outs = sys.argv[1:]
params = yaml.safe_load(open("params.yaml"))
mark, _ = tempfile.mkstemp(prefix=f"{stage}-{params['seed']}-", dir=params["marks"])
os.write(mark, "{CUDA_VISIBLE_DEVICES} {LOKY_MAX_CPU_COUNT}\\n".format_map(defaultdict(str, os.environ)).encode())
if params["model"] == stage:
    sys.exit(f"error: the model should not be {stage}")
kept = pathlib.Path(os.environ.get("EMNIST_CHECKPOINTS", "."), f"{stage}-{params['seed']}")
for epoch in ("1", "2"):
    if not (kept / epoch).exists():
        os.write(mark, f"{epoch}\\n".encode())
        print(f"{stage}: epoch {epoch}", flush=True)
        time.sleep(params["seconds"] / 2)
        if "EMNIST_CHECKPOINTS" in os.environ:
            (kept / epoch).mkdir(parents=True)
read = stage if stage == "download" else f"{stage} {params['model']} {params['seed']}"
for out in map(pathlib.Path, outs):
    out.parent.mkdir(exist_ok=True)
    out.write_text(f"{read}\\n" * params["lines"])
"""


def small_project(folder, seconds=0.5):
    """Make a repository with the stages download (the same of all runs), search and train; return its path."""
    project, marks = folder / "project", folder / "marks"
    project.mkdir()
    marks.mkdir()
    run("git init -q -b main && dvc init -q && dvc remote add -q -d storage ../remote", project)
    (project / "work.py").write_text(WORK)
    values = {"model": "none", "seed": 0, "lines": 1, "seconds": seconds, "marks": str(marks)}
    (project / "params.yaml").write_text(yaml.safe_dump(values))
    (project / ".gitignore").write_text("/data\n")

    def stage(name, dep, params, *outs):
        listed = [{out: {"cache": False}} if out.startswith("metrics") else out for out in outs]
        return {"cmd": f"exec python work.py {name} {' '.join(outs)}", "deps": [dep], "params": params, "outs": listed}

    stages = {
        "download": stage("download", "work.py", ["lines"], "data/raw"),
        "search": stage("search", "data/raw", ["model", "seed"], "data/best"),
        # DVC has no run cache of a stage like this one, whose file in git is not declared as a metric or plot.
        "train": stage("train", "data/best", ["seed"], "data/weights", "metrics/train.yaml"),
    }
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    run("git add -A && git commit -qm Start", project)
    return project


class Cluster:
    """A scheduler and workers, each a process in a folder and a home of its own."""

    def __init__(self, folder, settings=None):
        self.folder, self.settings, self.workers, self.started = folder, settings or {}, {}, []
        self.file = folder / "scheduler.json"
        self.start_scheduler()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.started:
            process.kill()
            process.wait()

    def start_scheduler(self):
        self.file.unlink(missing_ok=True)
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file)]
        self.scheduler = self._start("scheduler", ["distributed.cli.dask_scheduler", *options])
        wait_for(lambda: self.file.exists() and self.file.stat().st_size)

    def start_worker(self, name, max_file_bytes=None, threads=1, remote=None, **variables):
        """Start a worker, which may have another file system, as `mount` takes it, in the place of the remote."""
        (self.folder / name / "home").mkdir(parents=True, exist_ok=True)
        options = ["--scheduler-file", str(self.file), "--name", name, "--nthreads", str(threads), "--no-nanny"]
        options += ["--no-dashboard", "--local-directory", str(self.folder / name)]
        home = {"HOME": str(self.folder / name / "home")}
        command = ["distributed.cli.dask_worker", *options]
        before = [*OWN_MOUNTS, f'mount {remote} none remote && exec "$@"', "sh"] if remote else []
        self.workers[name] = self._start(name, command, before, max_file_bytes, **home, **variables)

    def start_workers(self, count):
        """Start workers w0, w1 and so on."""
        for number in range(count):
            self.start_worker(f"w{number}")

    def kill_worker(self, name=None):
        """Kill a worker, or all."""
        for each in [name] if name else list(self.workers):
            os.kill(self.workers.pop(each).pid, signal.SIGKILL)

    def worker_at(self, stage):
        """Name the worker that is at a stage of the small project, if there is one."""
        for process in psutil.process_iter(["cwd", "cmdline"]):
            folder = Path(str(process.info["cwd"]))
            if folder.is_relative_to(self.folder) and ["work.py", stage] == (process.info["cmdline"] or [])[1:3]:
                name = folder.relative_to(self.folder).parts[0]
                if name in self.workers:  # not one that was just killed
                    return name
        return None

    def remains(self):
        """List the folders and the processes of runs."""
        processes = [process for process in psutil.process_iter(["cwd"]) if "/emnist/" in str(process.info["cwd"])]
        return [
            *self.folder.glob("*/dask-scratch-space/*/emnist/run-*"),
            *(each for each in processes if Path(each.info["cwd"]).is_relative_to(self.folder)),
        ]

    def starting(self):
        """List the folders of runs that have no process yet.

        If its worker is killed now, such a folder stays until Dask's next worker in the place.
        """
        at = [Path(str(process.info["cwd"])) for process in psutil.process_iter(["cwd"])]
        folders = self.folder.glob("*/dask-scratch-space/*/emnist/run-*")
        return [folder for folder in folders if not any(each.is_relative_to(folder) for each in at)]

    def count_coordinators(self):
        """Count the clients that follow the progress of runs."""
        return self._ask_scheduler(
            lambda dask_scheduler: sum(
                len(topic.subscribers)
                for name, topic in dask_scheduler._broker._topics.items()
                if name.startswith("emnist ")
            )
        )

    def count_workers(self):
        return self._ask_scheduler(lambda dask_scheduler: len(dask_scheduler.workers))

    def _ask_scheduler(self, function):
        from distributed import Client

        with Client(scheduler_file=str(self.file), set_as_default=False) as client:
            return client.run_on_scheduler(function)

    def _start(self, name, command, before=(), max_file_bytes=None, **variables):
        special = "DASK_CONFIG" in self.settings or before or max_file_bytes or variables.keys() - {"HOME"}
        python = sys.executable if special else "python3"  # the latter is a fork, as in `forked_python`
        limit = max_file_bytes and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes,) * 2))
        with open(self.folder / f"{name}.log", "a") as log:
            process = subprocess.Popen(
                [*before, python, "-m", *command],
                cwd=self.folder,
                env=fast_environment() | self.settings | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=limit,
            )
        self.started.append(process)
        return process


def wait_for(what, seconds=300):
    """Wait until a function gives something true, and return that."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
    return found


def marks(project, pattern="*"):
    """List the names of the stages that began, with their seed."""
    return sorted(path.name.rpartition("-")[0] for path in Path(project).parent.glob(f"marks/{pattern}"))
