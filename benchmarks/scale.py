"""Time and memory of every stage, by the number of images.

    python -m benchmarks.scale --images 50000,200000,814255
    python -m benchmarks.scale --images 814255 --set model=resnet

The rendered sample at EMNIST ByClass's proportions goes through the whole pipeline in a temporary checkout, with LeNet and
one epoch of each training. Memory is that of a stage and its worker processes together, the pages that they share counted
once.
"""

import shlex
import tempfile
import time
from pathlib import Path
from subprocess import DEVNULL, Popen

import psutil
import yaml
from pipeline_helpers import checkout, environment, set_params

from benchmarks import make_parser, numbers, print_header, print_row
from emnist.utils.errors import UserError, run_cli

TEST_SHARE = 116_323 / 814_255
EPOCHS = {"trials": 8, "trial_epochs": 1, "pretrain_epochs": 1, "finetune_epochs": 1}
LITTLE = {"size": "full", "model": "lenet", "architectures.lenet.epoch_factor": 1.0, "transfer.epochs": 1}
LITTLE |= {f"sizes.full.{name}": value for name, value in EPOCHS.items()}
PAUSE = 0.1  # seconds between two measurements of the memory


def measure(command, folder):
    """Run a stage.

    Returned are its seconds and the largest numbers of bytes: of memory, of memory that no file backs, and of what is
    kept to continue from.
    """
    start, began, most, own, kept = time.perf_counter(), time.time(), 0, 0, 0
    words = shlex.split(command.removeprefix("exec "))
    stage = Popen(words, cwd=folder, env=environment(), stdout=DEVNULL)
    while stage.poll() is None:
        total, anonymous = memory(stage.pid)
        checkpoints = [path.stat() for path in folder.glob(".dvc/tmp/continue/*/state")]
        kept = max(kept, *(file.st_size for file in checkpoints if file.st_mtime > began), 0)
        most, own = max(most, total), max(own, anonymous)
        time.sleep(PAUSE)
    if stage.returncode:
        raise UserError(f"`{command}` ended with {stage.returncode}")
    return time.perf_counter() - start, most, own, kept


def memory(pid):
    """Return the bytes that a process and those that it started have in memory, and those that no file backs."""
    fields = {"Pss": 0, "Pss_Anon": 0}
    try:
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in fields:
                    fields[name] += int(value.split()[0]) * 1024
    except (psutil.Error, OSError):
        pass  # it has just ended
    return tuple(fields.values())


def run(images, changes):
    """Run the pipeline with so many images, and return what `measure` returns by stage."""
    with tempfile.TemporaryDirectory() as folder:
        folder = checkout(Path(folder), tiny=False)
        test = round(images * TEST_SHARE)
        set_params(folder, **LITTLE | changes | {"download.sample.train": images - test, "download.sample.test": test})
        stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
        return {name: measure(stage["cmd"], folder) for name, stage in stages.items()}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--images", type=numbers, default=[50_000, 200_000, 814_255])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another parameter")
    options = parser.parse_args()
    changes = {name: yaml.safe_load(value) for name, _, value in (text.partition("=") for text in options.set)}
    for images in options.images:
        results = run(images, changes)
        print(f"\n{images:,} images\n")
        print_header("stage", "seconds", "memory at most, MB", "of it not of files, MB", "kept to continue from, kB")
        for stage, (seconds, most, own, kept) in results.items():
            print_row(stage, f"{seconds:.1f}", f"{most / 1e6:.0f}", f"{own / 1e6:.0f}", f"{kept / 1e3:.0f}")
        print_row("all", f"{sum(seconds for seconds, *_ in results.values()):.0f}", "", "", "")


if __name__ == "__main__":
    run_cli(main)
