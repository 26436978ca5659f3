"""Power-cut test: the power fails at random moments of a run, and the pipeline runs on in what the disk then holds.

    python -m benchmarks.powercut --moments 200 --seed 0

The pipeline runs once in an ext4 file system on a loop device, whose file is in a file system in user space (FUSE) that
logs every write and flush. For each moment a new disk is made of what had been flushed before it and of a random half of
the 4 KiB blocks that had been written since. It is mounted, which replays its journal; `emnist repair` and `dvc repro`
must then end in the same bytes. Exits with 1 if they do not.

Needs root, Linux's loop devices and FUSE, and `pip install fusepy`.
"""

import contextlib
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import fuse
from pipeline_helpers import checkout, outputs, run

from benchmarks import make_parser
from emnist.utils.errors import run_cli

SIZE = 192 * 2**20  # bytes of the disk
BLOCK = 4096
RECORD = struct.Struct("<QQ")  # offset and length of a write; a flush has length 0


class Disk(fuse.Operations):
    """A file system with one file, `disk`, that logs its writes and flushes."""

    def __init__(self, image, log):
        self.image, self.log = os.open(image, os.O_RDWR), open(log, "wb", buffering=0)

    def getattr(self, path, handle=None):
        return {"st_mode": 0o40755, "st_nlink": 2} if path == "/" else {"st_mode": 0o100644, "st_size": SIZE}

    def readdir(self, path, handle):
        return [".", "..", "disk"]

    def read(self, path, size, offset, handle):
        return os.pread(self.image, size, offset)

    def write(self, path, data, offset, handle):
        self.log.write(RECORD.pack(offset, len(data)) + data)
        return os.pwrite(self.image, data, offset)

    def fsync(self, path, datasync, handle):
        self.log.write(RECORD.pack(0, 0))


def read_log(content):
    """Yield the writes of a log (bytes) as (offset, data), and each flush as None."""
    position = 0
    while position < len(content):
        offset, length = RECORD.unpack_from(content, position)
        position += RECORD.size
        yield (offset, content[position : position + length]) if length else None
        position += length


@contextlib.contextmanager
def mounted(file, folder):
    """Mount the ext4 file system in a file."""
    # The loop device ends with the mount.
    subprocess.run(["mount", "-o", "loop,nodiscard", file, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def record(folder, disk):
    """Run the pipeline on a disk that logs, and return the image before it, the log, and the results."""
    image, log, logged = folder / "image", folder / "log", folder / "logged"
    image.write_bytes(b"")
    os.truncate(image, SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", image], check=True)
    logged.mkdir()
    server = os.fork()
    if server == 0:
        fuse.FUSE(Disk(image, log), str(logged), foreground=True, nothreads=True)
        os._exit(0)
    while not (logged / "disk").exists():
        time.sleep(0.1)
    try:
        with mounted(logged / "disk", disk):
            (disk / "project").mkdir()
            checkout(disk / "project")
            os.sync()
            before, start = image.read_bytes(), log.stat().st_size
            code, said = continue_run(disk / "project")
            assert code == 0, said
            end = log.stat().st_size  # the power fails before what follows is written
            results = outputs(disk / "project")
    finally:
        subprocess.run(["umount", logged], check=True)
        os.waitpid(server, 0)
    return before, log.read_bytes()[start:end], results


def cut(before, writes, moment, rng):
    """Give the disk after a power cut: all that was flushed, and a random half of the blocks written since."""
    image = bytearray(before)
    flushed = max((n for n in range(moment) if writes[n] is None), default=0)
    for number, write in enumerate(writes[:moment]):
        if write is None:
            continue
        offset, data = write
        for start in range(0, len(data), BLOCK):
            if number < flushed or rng.random() < 0.5:
                part = data[start : start + BLOCK]
                image[offset + start : offset + start + len(part)] = part
    return image


def continue_run(project):
    """Continue the pipeline, and return the exit code and the output."""
    done = run("emnist repair && dvc repro", project, check=False)
    return done.returncode, done.stdout


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    rng, outcomes, began = random.Random(options.seed), Counter(), time.monotonic()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        folder = Path(folder)
        disk, image = folder / "disk", folder / "cut"
        disk.mkdir()
        os.environ["DVC_SITE_CACHE_DIR"] = str(disk / "site")  # DVC's records of files, on the same disk
        before, log, expected = record(folder, disk)
        writes = list(read_log(log))
        flushes = sum(write is None for write in writes)
        print(f"{len(writes) - flushes} writes, {flushes} flushes, {time.monotonic() - began:.0f} s", flush=True)
        for number in range(options.moments):
            moment = rng.randrange(len(writes) + 1)
            image.write_bytes(cut(before, writes, moment, rng))
            with mounted(image, disk):
                code, said = continue_run(disk / "project")
                found = outputs(disk / "project") if (disk / "project/dvc.lock").exists() else {}
                different = sorted(name for name in expected if found.get(name) != expected[name])
                left = [name for name in found if name not in expected]
            stages = len(re.findall("^Running stage", said, re.M))
            outcomes["repaired"] += "half written" in said or "damaged" in said
            outcomes["stages run again"] += stages
            if code or different or left:
                outcomes["harm"] += 1
                print(f"moment {moment}: exit code {code}, differ: {different}, left: {left}\n{said}", flush=True)
            if number % 10 == 9:
                print(f"{number + 1} moments, {dict(outcomes)}, {time.monotonic() - began:.0f} s", flush=True)
    print(json.dumps(outcomes))
    sys.exit(bool(outcomes["harm"]))


if __name__ == "__main__":
    run_cli(main)
