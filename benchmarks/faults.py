"""Fault test: each call of each stage that reaches the disk fails once, and nothing is lost.

    TMPDIR=/dev/shm python -m benchmarks.faults --seed 0

Needs strace, which makes the n-th write, fsync, rename, open, unlink, mkdir or mmap of a file of the project fail with
ENOSPC, EIO, EDQUOT, EROFS or EACCES. After each fault the stage must have ended in one sentence or with its right
outputs, with every output old or whole and no temporary file left, and its next run must end in the right bytes. In one
fault of four, nothing can be deleted afterwards; then the next run must remove what was left.

Stages are forked from one process that has imported what they import. Exits with 1 if a fault did harm.
"""

import contextlib
import gc
import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, namedtuple
from pathlib import Path

import yaml
from pipeline_helpers import REPOSITORY, checkout, run

from benchmarks import add_names, make_parser, print_header, print_row
from emnist.utils.errors import UserError, run_cli

ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EROFS", "EACCES")
KINDS = {  # kinds of calls that change the disk or map it, and their system calls
    "write": ("write", "writev", "pwrite64"),
    "fsync": ("fsync", "fdatasync"),
    "rename": ("rename", "renameat", "renameat2"),
    "open for writing": ("open", "openat"),
    "unlink": ("unlink", "unlinkat", "rmdir"),
    "mkdir": ("mkdir", "mkdirat"),
    "chmod": ("chmod", "fchmod", "fchmodat"),
    "mmap": ("mmap",),
}
READING = {"open for reading": (), "read": ("read", "pread64"), "list a folder": ("getdents64",)}
KIND_OF = {call: kind for kind, calls in (KINDS | READING).items() for call in calls}
OUTPUTS = ("data", "metrics", "plots")
LEFT = "data/.left.9999999.x.tmp"  # the name of a file that a killed process left


# A call of a stage: the `number`-th system call of that `name`, on a file of the project.
Call = namedtuple("Call", "kind name number path")
Ended = namedtuple("Ended", "returncode errors log")  # how a stage ended


class Project:
    """A tiny project whose pipeline has run once."""

    def __init__(self, folder):
        self.folder = folder
        self.scratch = folder / "scratch"  # holds temporary files, so that faults reach those, too
        self.stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
        shutil.rmtree(folder / ".dvc/tmp/continue", ignore_errors=True)
        self.expected = self.files()

    def files(self):
        """Give the bytes of all files that stages write, temporary ones included."""
        folders = [self.folder / name for name in (*OUTPUTS, "scratch", ".dvc/tmp/continue")]
        paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}

    def results(self):
        """Give the bytes of the results alone."""
        return {name: content for name, content in self.files().items() if name.startswith(OUTPUTS)}

    def outputs(self, stage):
        return {output["path"] for output in self.stages[stage]["outs"]}

    def reset(self, stage, older=None, left=True):
        """Take away a stage's outputs or, with `older` (bytes), put that in their place.

        With `left`, there is a file that a killed run left half written, which the stage removes.
        """
        from emnist.utils.checkpoint import Checkpoint

        for name in ("scratch", ".dvc/tmp/continue"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.scratch.mkdir()
        for name, content in self.results().items():
            if content != self.expected.get(name):
                (self.folder / name).unlink()
        for name, content in self.expected.items():
            if not (self.folder / name).exists():
                (self.folder / name).write_bytes(content)
        if left:
            (self.folder / LEFT).write_bytes(b"half")
        done = Checkpoint("initialise-done", self.folder / ".dvc/tmp/continue")
        done.save({}, [])
        done.mark_complete(self.folder / "data/weights/initial.safetensors")
        for name in self.outputs(stage):
            (self.folder / name).unlink() if older is None else (self.folder / name).write_bytes(older)

    def start(self, stage, strace=(), before=None, after=None):
        """Run a stage in a forked process, traced by strace with these options if there are any.

        `before` and `after`, callables, are called in that process.
        """
        report = self.folder.parent / f"{self.folder.name}.stage"
        pid = forked(lambda: self._stage(stage, report, before, after))
        os.waitpid(pid, os.WUNTRACED)  # waits until the stage is about to begin
        log = report.with_suffix(".strace")
        if strace:
            command = ["strace", "-y", "-p", str(pid), "-o", log, *strace]
            tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            said = tracer.stderr.readline()
            if "attached" not in said:
                raise UserError(f"strace cannot trace a process here: {said}")
        os.kill(pid, signal.SIGCONT)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if strace:
            tracer.communicate()
        return Ended(code, report.read_text(), log.read_text() if strace else "")

    def _stage(self, stage, report, before, after):
        from stages._process import run_stage

        os.chdir(self.folder)
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.scratch)
        sys.path.insert(0, str(self.folder))
        module = importlib.import_module(f"stages.{stage}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            if before:
                before()
            run_stage(module.main)
        finally:
            if after:
                after()

    def harm_to_next_run(self, stage):
        """Run a stage undisturbed, and say (str) what is wrong with it, or None."""
        again = self.start(stage)
        if again.returncode or again.errors or self.results() != self.expected:
            return f"the next run failed or gave other bytes: {again.errors}"

    def calls(self, stage):
        """List the calls of an undisturbed run that concern files of the project."""
        self.reset(stage)
        names = ",".join({*KIND_OF, "open", "openat"})
        ended = self.start(stage, ["-e", f"trace=?{names.replace(',', ',?')}"])
        assert ended.returncode == 0 and self.results() == self.expected, ended.errors
        counts, found = Counter(), []
        for line in ended.log.splitlines():
            match = re.match(r"(\w+)\((.*)\) += ", line)
            if not match:
                continue
            name, arguments = match.groups()
            counts[name] += 1
            kind, path = KIND_OF.get(name), self._path(name, arguments)
            if name in ("open", "openat"):
                kind = "open for writing" if re.search("O_WRONLY|O_RDWR", arguments) else "open for reading"
            if path:
                found.append(Call(kind, name, counts[name], path))
        return found

    def _path(self, name, arguments):
        """Name the file of the project that a traced call concerns, if any."""
        content = name in ("write", "writev", "pwrite64", "read", "pread64")
        named = [] if content else re.findall(r'"([^"]*)"', arguments)
        paths = [os.path.join(self.folder, path) for path in named] or re.findall(r"\d<([^>]*)>", arguments)
        path = paths[0] if paths else ""
        return path if path.startswith(f"{self.folder}/") and ".venv" not in path else None


def forked(function):
    """Start a function in a forked process, and return its number."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        function()
        code = 0
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def project_parser(doc):
    """Make the argument parser of a test that runs the stages of a tiny project."""
    parser = make_parser(doc)
    add_names(parser, "--stages", yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--project", type=Path, help="folder of a tiny project that has run; it is copied")
    return parser


@contextlib.contextmanager
def tiny_project(options):
    """Make a `Project`, by a run of the pipeline or as a copy of the one that the options name, and import its stages."""
    os.environ |= {"LOKY_MAX_CPU_COUNT": "1", "OMP_NUM_THREADS": "1"}  # no worker processes
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent).resolve() / "project"
        if options.project:
            if not (options.project / "dvc.lock").exists():
                raise UserError(f"--project should be a project that has run, but {options.project} holds no dvc.lock")
            shutil.copytree(options.project, folder, symlinks=True)
        else:
            folder.mkdir()
            run("dvc repro", checkout(folder))
        project = Project(folder)
        import_all(project, options.stages)
        yield project


def import_all(project, stages):
    """Import what the stages import, so that no fault hits an import, and compute what takes the first of them long."""
    listing = project.folder.parent / "modules"
    for stage in stages:
        project.reset(stage)
        ended = project.start(stage, after=lambda: listing.write_text("\n".join(sorted(sys.modules))))
        assert ended.returncode == 0, ended.errors
        for name in listing.read_text().splitlines():
            if not name.startswith(("stages", "__")):
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
    if "download" in stages:
        from emnist.sources import sample

        options = json.loads(project.expected["data/sources.json"])["sample"]
        # Rendering keeps the outlines of the characters in memory.
        with tempfile.TemporaryDirectory() as folder:
            sample.obtain(sample.Options(**options), Path(folder))
    gc.freeze()  # The forked processes then share the memory of these modules.


def of_earlier_epoch(name, found, content):
    """Tell whether an output is the whole one that a training wrote after an earlier epoch: first rows, or the same keys."""
    if name.endswith(".csv"):
        return found.endswith(b"\n") and content.startswith(found)
    with contextlib.suppress(ValueError):
        return name.startswith("metrics/") and json.loads(found).keys() == json.loads(content).keys()
    return False


def harm(project, stage, call, ended, older, undeletable):
    """Say what harm a fault did (str), or None."""
    found = project.files()
    outputs, undeletable = project.outputs(stage), undeletable or call.kind == "unlink"
    if ended.returncode == 0 and ended.errors:
        return "a success with an error"
    if ended.returncode and not re.fullmatch(r"error: .*\n", ended.errors):
        return "not one sentence"
    if ended.returncode not in (0, 1):
        return f"exit code {ended.returncode}"
    temporary = {name for name in found if name.endswith(".tmp") or name.startswith("scratch")} - {LEFT}
    if temporary and not undeletable:
        return "a temporary file left"
    for name, content in project.expected.items():
        allowed = [content]
        if name in outputs and ended.returncode:
            allowed.append(older)
        # The stages that train write their outputs after each epoch.
        epochs = name in outputs and stage in ("pretrain", "finetune", "transfer")
        if found.get(name) not in allowed and not (epochs and of_earlier_epoch(name, found.get(name, b""), content)):
            return f"{name} lost or half written"


def fail(project, stage, call, error, rng):
    """Make one call fail, run the stage again, and return how it ended and what harm it did (str, or None)."""
    older = rng.choice([None, b"an older result"])
    undeletable = rng.random() < 0.25 and call.kind != "unlink"  # strace makes a call fail in one way only
    project.reset(stage, older, left=not undeletable)
    inject = [f"trace={call.name},?unlink,?unlinkat", f"inject={call.name}:error={error}:when={call.number}"]
    if undeletable:
        inject.append(f"inject=unlink,unlinkat:error={error}")
    ended = project.start(stage, [word for option in inject for word in ("-e", option)])
    hit = [line for line in ended.log.splitlines() if "(INJECTED)" in line and line.startswith(call.name)]
    if not hit or not project._path(call.name, hit[0]):
        return None, None
    found = harm(project, stage, call, ended, older, undeletable)
    return ended, project.harm_to_next_run(stage) or found


def choose_faults(calls, options, rng):
    """List the faults of a stage: pairs of a `Call` and an error."""
    faults = [(call, error) for call in calls if call.kind in KINDS for error in ERRORS]
    reading = [call for call in calls if call.kind in READING]
    some = rng.sample(reading, min(options.reading, len(reading)))
    faults += [(call, rng.choice(["EIO", "EACCES"])) for call in some]
    return rng.sample(faults, min(options.most, len(faults))) if options.most else faults


def main():
    parser = project_parser(__doc__)
    parser.add_argument("--most", type=int, help="number of faults in a stage, drawn at random; all by default")
    parser.add_argument("--reading", type=int, default=60, help="number of a stage's calls that read, drawn at random")
    options = parser.parse_args()
    if not shutil.which("strace"):
        raise UserError("strace should be installed, but is not: run `apt-get install strace`")

    start, outcomes, harms = time.monotonic(), Counter(), 0
    with tiny_project(options) as project:
        for stage in options.stages:
            rng = random.Random(f"{options.seed} {stage}")
            faults = choose_faults(project.calls(stage), options, rng)
            began, before = time.monotonic(), harms
            for call, error in faults:
                ended, found = fail(project, stage, call, error, rng)
                if ended is None:
                    outcomes[call.kind, "not reached"] += 1
                    continue
                outcomes[call.kind, error] += 1
                outcomes[call.kind, "harm" if found else "one sentence" if ended.returncode else "success"] += 1
                if found:
                    harms += 1
                    place = f"{error} in {call.name} of {Path(call.path).relative_to(project.folder)}"
                    print(f"{stage}: {place}: {found}\n{ended.errors}", flush=True)
            seconds = time.monotonic() - began
            print(f"{stage}: {len(faults)} faults, {seconds:.0f} s, {harms - before} harmful", flush=True)

    columns = [*ERRORS, "one sentence", "success", "harm", "not reached"]
    print()
    print_header("call", "faults", *columns)
    for kind in [*KINDS, *READING]:
        counts = [outcomes[kind, column] for column in columns]
        print_row(kind, sum(counts[: len(ERRORS)]), *counts)
    faults = sum(outcomes[kind, error] for kind in [*KINDS, *READING] for error in ERRORS)
    print(f"\n{faults} faults, seed {options.seed}, {time.monotonic() - start:.0f} s; harm done by {harms}")
    sys.exit(bool(harms) or not faults)


if __name__ == "__main__":
    run_cli(main)
