"""Fuzzing of every parser: a damaged or made-up file must give a result or a one-line error that names the file.

    python -m benchmarks.fuzz --count 1000000

Of ten files, eight are sound ones with bytes changed, removed, duplicated or cut off, and two are made up: headers that
lie, bombs, references without end. In gzipped files half of the damage is inside a sound compression; checksums are made
to fit. A process with 1 GB of memory to spare parses them; each file has 2 s. Exits with 1 if a parser raises anything
but a `UserError`, takes longer or more, or ends its process, and saves the file that caused it. `--part 3/8` does the third
of eight parts. File number N of a seed is the same in every run.
"""

import binascii
import gzip
import hashlib
import io
import json
import mmap
import os
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import namedtuple
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from benchmarks import make_parser, print_header, print_row
from emnist.cli.repair import is_cut_short, is_json
from emnist.data import idx
from emnist.data.datasets import RAW, paths
from emnist.data.files import load_array, load_json, write_array, write_json
from emnist.models import build_model, load_model, pretrained
from emnist.models.weights import load_weights, save_weights
from emnist.params import load_params
from emnist.reading.network import Network
from emnist.reading.pictures import FORMATS, read_character
from emnist.utils.checkpoint import Checkpoint, remove_stale_files
from emnist.utils.errors import UserError, run_cli
from emnist.utils.names import check_name
from stages._process import check_inputs
from stages.plots import load_predictions, load_table

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
SECONDS = 2  # processor time that a file may take
MEMORY = 2**30  # bytes that a file may take beyond what the process has before
BATCH = 5000  # files that a process parses before the next one takes over
PROJECT = Path(__file__).parents[1]


# A parser that is fuzzed: its percentage of all files, the path that an error must name, sound files (bytes), the parser,
# called with the path in the folder of the file, and what makes a file up from a random.Random, if anything.
Parser = namedtuple("Parser", "share path sound parse make")


def parsers():
    """Write sound files of every format to the current folder, and give each parser by its name."""
    idx.write_images("images.gz", IMAGES)
    idx.write_labels("labels.gz", np.arange(3, dtype=np.uint8))
    write_array("array.npy", IMAGES)
    write_json("value.json", {"mean": 0.1, "std": 1e-3, "list": [1, None, "text"]})
    save_weights("weights", build_model("lenet", 10), model="lenet", classes="0123456789", mean=0.1, std=0.3)
    save_weights("few-weights", torch.nn.Linear(3, 2), model="lenet", classes="01", mean=0.1, std=0.3)
    Checkpoint("state", ".").save({"tensor": torch.arange(9)}, [{"epoch": 1}])
    files = {
        ".dvc/tmp/continue/a-b/outputs": b"0 1",
        ".dvc/tmp/rwlock": b'{"a": {"write": {"pid": 1}}}',
        "data/predictions/test.csv": b"actual,predicted,confidence\nA,a,0.5\n0,O,0.25\nz,z,1\n",
        **{str(path): b"" for path in paths(RAW, "emnist-byclass-train")},
        "dvc.yaml": (PROJECT / "dvc.yaml").read_bytes(),
        "network.onnx": (PROJECT / "emnist/pretrained/lenet.onnx").read_bytes(),
        "params.yaml": (PROJECT / "params.yaml").read_bytes(),
        "pretrained/lenet.md": (PROJECT / "emnist/pretrained/lenet.md").read_bytes(),
        "pretrained/lenet.safetensors": Path("few-weights").read_bytes(),
        "trials.csv": b"trial,batch_size,learning_rate,validation_loss,momentum\n0,64,0.1,1.5,0.9\n1,16,0.01,2.5,0\n",
    }
    for path, content in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)
    pretrained.FOLDER = Path("pretrained")
    lock = b"schema: '2.0'\nstages: {download: {cmd: x, outs: [{path: data/raw/source.json, md5: '0'}]}}\n"

    def parser(share, path, parse, make=None, sound=None):
        return Parser(share, path, sound or [Path(path).read_bytes()], parse, make)

    record = ".dvc/tmp/continue/a-b/outputs"
    few_weights, locks = [Path("few-weights").read_bytes()], [lock, b"schema: '3.0'\nstages: []\n"]
    return {
        "IDX images": parser(12, "images.gz", idx.load_images, make_idx),
        "IDX labels": parser(12, "labels.gz", lambda path: idx.load_labels(path, 62), make_idx),
        "npy array": parser(13, "array.npy", load_array, make_npy),
        "JSON": parser(17, "value.json", load_json, make_json),
        "CSV of predictions": parser(3, "data/predictions/test.csv", lambda path: load_predictions("test"), make_csv),
        "CSV of trials": parser(3, "trials.csv", load_table, make_csv),
        "safetensors": parser(9, "weights", load_weights, make_safetensors, few_weights),
        "model": parser(1, "weights", load_model, make_safetensors),
        "checkpoint": parser(6, "state/state", lambda path: Checkpoint("state", ".").load(), make_checkpoint),
        "record of a checkpoint": parser(2, record, lambda path: remove_stale_files(), make_json),
        "params.yaml": parser(2, "params.yaml", load_params, make_yaml),
        "dvc.lock": parser(0.1, "dvc.lock", lambda path: (check_inputs("split"), is_cut_short(path)), make_yaml, locks),
        "rwlock of DVC": parser(2, ".dvc/tmp/rwlock", is_json, make_json),
        "card of a network": parser(0.2, "pretrained/lenet.md", lambda path: pretrained.load_card("lenet"), make_card),
        "picture": parser(16.7, "picture", read_character, make_picture, pictures()),
        "ONNX": parser(1, "network.onnx", lambda path: Network(path).probabilities(IMAGES)),
    }


NUMBERS = [0, 1, 2, 3, 28, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1]
LETTERS = ["", "nan", "inf", "-1", "1e999", "A", "\0", "9" * 5000, '"', "\u2028", "é", ",", "\n", "actual", "0x1"]


def make_idx(rng):
    shape = [rng.choice(NUMBERS) & 0xFFFFFFFF for _ in range(rng.randrange(5))]
    header = struct.pack(f">{1 + len(shape)}I", 0x800 | rng.choice([len(shape), 1, 3, 0x500]), *shape)
    body = bytes(rng.choice([0, 1, 784, 2**16] + [2**24] * (rng.random() < 0.02)))
    content = gzip.compress(header + body, 1, mtime=0)
    return content * rng.choice([1, 1, 1, 2]) if rng.random() < 0.9 else content + gzip.compress(b"", mtime=0) * 1000


def make_npy(rng):
    shape = tuple(rng.choice([*NUMBERS, -1, 10**30, "'a'", 1.5]) for _ in range(rng.randrange(5)))
    kinds = ["|u1", "|O", "<i8", "V0", "<U999999999", "|S0", "a" * 999, "<M8[Y]", ",".join("f" * 99), "|u1,(9,)O"]
    fields = repr({"descr": rng.choice(kinds), "fortran_order": rng.random() < 0.5, "shape": shape})
    nested = f"{{'descr': [('a', '{rng.choice(kinds)}')], 'fortran_order': 1, 'shape': {shape}}}"
    header = rng.choice([fields, "{" * rng.choice([9, 999, 9000]), "-" * 9000 + "1", nested, "9" * 9000]).encode()
    version = rng.choice([1, 2, 3, 9])
    length = struct.pack("<H" if version == 1 else "<I", rng.choice([len(header), len(header) // 2, 2**16 - 1]))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + bytes(rng.choice([0, 784, 2352]))


def make_json(rng):
    depth = rng.choice([9, 300, 600, 900, 980, 2000])
    nested = rng.choice(["[", '{"a":']) * depth + rng.choice(["1", ""]) + "]" * depth
    digits, opened = "9" * rng.choice([30, 400, 4000, 5000]), "[" * rng.choice([9, 500, 900, 990, 100_000])
    lines = '"' + "\\n" * 99 + '"'
    values = ["NaN", "-1e999", '"\\ud800"', "true", "{}", '["0/../../x", 1]', '["../../..", "", "1"]', "[[1]]"]
    value = rng.choice([digits, opened, nested, lines, *values])
    key = rng.choice(["mean", "std", "sample", "folder", "emnist", "a" * 9999, "\\u0000", "\\udfff", "\\n"])
    content = rng.choice(["%s", '{"%s": %s}', '{"mean": 1, "std": %s}', '{"sample": %s}', '{"folder": {"emnist": %s}}'])
    text = content % ((key, value) if content.count("%s") == 2 else value)
    return text.encode(rng.choice(["utf-8"] * 9 + ["utf-16", "utf-32", "utf-8-sig"]))


def make_csv(rng):
    names = rng.sample(["actual", "predicted", "confidence", "trial", "validation_loss", "", "a", "a"], 5)
    rows = [[rng.choice([*LETTERS, "A", "0.5", "1"]) for _ in range(rng.randrange(8))] for _ in range(rng.randrange(9))]
    text = "\n".join(",".join(row) for row in [names, *rows])
    end = rng.choice([b"", b"\xff", b"\n" * 9999])
    return text.encode(rng.choice(["utf-8"] * 9 + ["utf-16", "latin-1"]), "replace") + end


def make_safetensors(rng):
    entry = {
        "dtype": rng.choice(["F32", "F64", "I64", "BOOL", "F8_E4M3", "X"]),
        "shape": [rng.choice(NUMBERS) for _ in range(rng.randrange(4))],
        "data_offsets": rng.choice([[0, 0], [0, 4], [4, 0], [0, 2**63], [2**64 - 1, 2**64], [1, 5]]),
    }
    about = rng.choice(
        ["{", "[" * 9999, "1", "null", '{"model": [], "classes": 1}', '{"model": "lenet", "classes": "' + "0" * 99999 + '"}',
         '{"model": "../lenet", "classes": "01", "mean": 0, "std": "x"}', '{"model": "lenet", "classes": {}, "mean": ' + "9" * 400 + "}"]
    )  # fmt: skip
    header = {"__metadata__": {"about": about, "info": about}} | {f"t{n}": entry for n in range(rng.randrange(3))}
    text = json.dumps(header).encode() if rng.random() < 0.9 else rng.choice([b"[" * 9999, b"{}", b"\xff\xfe", b"1"])
    return struct.pack("<Q", rng.choice([len(text)] * 6 + [0, 2**63, 10**8 + 1, len(text) + 1])) + text + bytes(4)


def make_checkpoint(rng):
    content = make_safetensors(rng)
    return hashlib.sha256(content).digest() + content


YAML = [
    "0x" + "f" * 9000, "9" * 5000, "1:" * 5000 + "1", "[" * 2000, "{a: " * 2000, "&a [*a]", "*a",
    "!!python/name:os.system ", "2001-99-99", "!!binary x", "? [a]", "!!set {a}", "!!omap [a: 1]", "!!float x",
    "!!int ''", "\\x85", "-.inf", "|9999999999", "'", "!<tag:yaml.org,2002:python/object:a> x", "%YAML 9.9",
    "&a {? *a : *a}", "=", "<<", "!!timestamp x", "!!null {}", "{<<: 1}", "!!bool x", "!!int _", "0b", "!!int 0o",
    "!!int '+'", "!!float '.'", "!!int :",
]  # fmt: skip


def make_yaml(rng):
    if rng.random() < 0.4:  # lists of lists, or mappings merged into mappings, ten times as large in each line
        merge, depth = rng.random() < 0.5, rng.choice([3, 9, 30])
        lines = ["a0: &a0 {x: 1}" if merge else "a0: &a0 [x]"]
        for n in range(depth):
            parts = ", ".join([f"*a{n}"] * 10)
            lines.append(f"a{n + 1}: &a{n + 1} " + (f"{{<<: [{parts}]}}" if merge else f"[{parts}]"))
        content = "\n".join(lines)
        if rng.random() < 0.5:
            content += f"\nmodel: *a{depth}\nseed: *a{depth}\n"
        elif not merge:
            content = "- " + content.replace("\n", "\n- ")
        return content.encode()
    name = rng.choice(["model", "seed", "source", "stages", "schema", "a", "augmentation", "download", "optimizers"])
    stages = b"schema: '2.0'\nstages:\n  a:\n    outs:\n    - "
    before = rng.choice([b"", (PROJECT / "params.yaml").read_bytes() + b"\n", stages])
    many = "".join(f"k{n}: 1\n" for n in range(rng.choice([0, 0, 0, 3000])))
    return before + f"{name}: {rng.choice(YAML)}\n{many}".encode()


def make_card(rng):
    return b"---\n" + make_yaml(rng) + b"\n---\n" + b"x" * rng.randrange(9)


def make_picture(rng):
    sides = [rng.choice([0, 1, 9, 28, 9999, 2**16 - 1, 2**31 - 1, 2**32 - 1]) for _ in range(2)]
    match rng.randrange(6):
        case 0:
            depth, colours = rng.choice([1, 8, 16]), rng.choice([0, 2, 3, 4, 6, 7])
            head = struct.pack(">IIBBBBB", *sides, depth, colours, 0, 0, rng.randrange(2))
            extra = rng.choice([b"zTXt", b"iCCP", b"iTXt", b"tEXt", b"acTL", b"fcTL", b"PLTE", b"tRNS", b"eXIf"])
            bomb = zlib.compress(bytes(rng.choice([9, 2**20, 2**24])), 1)
            body = rng.choice([b"a\0\0" + bomb, b"", bytes(8), b"a\0\1\0\0\0" + bomb])
            pixels = zlib.compress(bytes(rng.choice([0, 99, 2**20])), 1)
            chunks = (b"IHDR", head), (extra, body), (b"IDAT", pixels)
            return b"\x89PNG\r\n\x1a\n" + b"".join(
                struct.pack(">I", len(body)) + name + body + struct.pack(">I", binascii.crc32(name + body))
                for name, body in chunks
            )
        case 1:
            head = f"P{rng.randrange(1, 8)} {sides[0]} {sides[1]} {rng.choice(NUMBERS)}\n"
            return head.encode() + bytes(rng.choice([0, 81, 2352]))
        case 2:
            tags = [256, 257, 258, 259, 262, 273, 277, 278, 279, 317, 324, 700, 33723, 34665]
            count = rng.randrange(20)
            entries = b"".join(
                struct.pack(
                    "<HHII", rng.choice(tags), rng.randrange(14), *(rng.choice(NUMBERS) & 0xFFFFFFFF for _ in "12")
                )
                for _ in range(count)
            )
            following = struct.pack("<I", rng.choice([0, 8, 2**32 - 1]))
            return b"II*\0" + struct.pack("<IH", 8, count) + entries + following + bytes(99)
        case 3:
            head = struct.pack("<HHBBB", *(side & 0xFFFF for side in sides), rng.randrange(256), 0, 0)
            return b"GIF89a" + head + rng.randbytes(rng.randrange(200))
        case 4:
            bits, compression = rng.choice([1, 4, 8, 16, 24, 32]), rng.randrange(6)
            sizes = [side & 0x7FFFFFFF for side in sides]
            head = struct.pack("<IiiHHIIiiII", 40, *sizes, 1, bits, compression, 0, 0, 0, 0, 0)
            start = struct.pack("<IHHI", 99, 0, 0, rng.choice([54, 0, 2**31]))
            return b"BM" + start + head + bytes(rng.choice([0, 99, 2352]))
        case _:
            jpeg, webp, avif = b"\xff\xd8\xff", b"RIFF\xff\xff\xff\x7fWEBPVP8X", b"\0\0\0\x20ftypavif"
            return rng.choice([jpeg, webp, avif, b"\xff\x0a", b"%!PS", b"P7\n"]) + rng.randbytes(rng.randrange(200))


def pictures():
    """Save a picture in each format, and in several modes, with frames, metadata and compressions."""
    picture = Image.new("L", (40, 50), 230)
    ImageDraw.Draw(picture).line([(10, 10), (30, 40), (10, 40)], fill=20, width=4)
    turned, clear = Image.Exif(), Image.merge("LA", (picture, picture.point(lambda level: 255 - level)))
    turned[0x0112] = 6
    frames = {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    kinds = [
        *((picture, {"format": name}) for name in FORMATS),
        *((picture, {"format": name, **frames}) for name in ("png", "gif", "webp", "tiff", "avif")),
        *((picture, {"format": name, "exif": turned}) for name in ("png", "jpeg", "webp", "tiff")),
        *((picture.convert("CMYK"), {"format": name}) for name in ("jpeg", "tiff")),
        *((picture, {"format": "tiff", "compression": name}) for name in ("jpeg", "tiff_lzw", "tiff_adobe_deflate")),
        *((picture.convert("1"), {"format": name}) for name in ("png", "ppm")),
        (picture.convert("1"), {"format": "tiff", "compression": "group4"}),
        (Image.fromarray(np.asarray(picture).astype(np.uint16) * 200), {"format": "png"}),
        (Image.fromarray(np.asarray(picture).astype(np.float32)), {"format": "tiff"}),
        (clear, {"format": "png"}),
        (clear.convert("RGBA"), {"format": "webp", "lossless": True}),
        (picture.quantize(4), {"format": "png", "transparency": 0}),
        (picture, {"format": "jpeg", "progressive": True}),
    ]
    contents = []
    for image, options in kinds:
        file = io.BytesIO()
        image.save(file, **options)
        contents.append(file.getvalue())
    return contents


def damage(sound, rng):
    """Damage a file (bytes) at one to four places, half of them in its first bytes, where damage has most effect."""
    if sound[:2] == b"\x1f\x8b" and rng.random() < 0.5:
        return gzip.compress(damage(gzip.decompress(sound), rng), 1, mtime=0)
    content = bytearray(sound)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(max(1, min(len(content), 32 if rng.random() < 0.5 else len(content))))
        end = place + rng.randint(1, 16)
        match rng.randrange(6):
            case 0 | 1 | 2:
                content[place : place + 1] = bytes([rng.randrange(256)])
            case 3:
                content[place:end] = b""
            case 4:
                content[place:place] = content[place:end]
            case 5:
                del content[place + len(content) // 2 :]
    return bytes(content)


def file_of(parser, name, number, seed):
    """Make file number `number` (int) of a parser and a seed: the same bytes in every run."""
    rng = random.Random(f"{seed} {name} {number}")
    if parser.make and rng.random() < 0.2:
        return parser.make(rng)
    content = damage(rng.choice(parser.sound), rng)
    if name == "checkpoint" and rng.random() < 0.5:
        content = hashlib.sha256(content[32:]).digest() + content[32:]
    return content


REFUSED, ACCEPTED, FAULT, DONE, SLOWEST = range(5)


def fuzz(parser, name, numbers, seed):
    """Let processes of their own parse the files of these numbers.

    Returned are the numbers of files refused, accepted, faulty and all, the microseconds of the slowest, and the bytes
    of memory of the largest process.
    """
    shared, memory = memoryview(mmap.mmap(-1, 64)).cast("q"), 0
    while shared[DONE] < len(numbers):
        begun = shared[DONE]
        if not (child := os.fork()):
            try:
                parse_files(parser, name, numbers[begun : begun + BATCH], seed, shared)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status, usage = os.wait4(child, 0)
        memory = max(memory, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
        if status:  # a signal ended the process, or an error that no parser may raise
            print(f"{name}: the process ended with {os.waitstatus_to_exitcode(status)}", file=sys.stderr)
            save(name, numbers[shared[DONE]], Path(parser.path).read_bytes())
            shared[FAULT] += 1
            shared[DONE] += 1
    return *shared[:5], memory


def parse_files(parser, name, numbers, seed, shared):
    """Parse files in this process, and count the outcomes in `shared` (memoryview of 64-bit numbers)."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends a process that hangs
    if os.path.exists("/proc/self/statm"):
        most = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    path = Path(parser.path)
    for number in numbers:
        content = file_of(parser, name, number, seed)
        path.write_bytes(content)
        signal.setitimer(signal.ITIMER_PROF, 5 * SECONDS)
        start = time.process_time()
        outcome = outcome_of(parser.parse, path)
        microseconds = int(1e6 * (time.process_time() - start))
        signal.setitimer(signal.ITIMER_PROF, 0)
        if outcome != FAULT and microseconds > 1e6 * SECONDS:
            print(f"{name}: {microseconds / 1e6:.1f} s", file=sys.stderr)
            outcome = FAULT
        if outcome == FAULT:
            save(name, number, content)
        shared[outcome] += 1
        shared[SLOWEST] = max(shared[SLOWEST], microseconds)
        shared[DONE] += 1


def save(name, number, content):
    (PROJECT / f"fuzz-{name.replace(' ', '-')}-{number}").write_bytes(content)


def outcome_of(parse, path):
    """Return ACCEPTED, REFUSED or FAULT for a parser and the path of a damaged file."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            parse(path)
    except UserError as error:
        # The error should be one line, name the file, and be no longer than a paragraph.
        if str(path) in str(error) and str(error).isprintable() and len(str(error)) < 10_000:
            return REFUSED
        print(f"not one short line: {str(error)[:300]!r}", file=sys.stderr)
        return FAULT
    except Exception:
        traceback.print_exc(limit=-3)
        return FAULT
    return REFUSED if "is damaged" in printed.getvalue() else ACCEPTED


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="number of files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", help="which part of the files, such as 3/8")
    parser.add_argument("--parser", help="only this one, such as 'IDX images'")
    options = parser.parse_args()
    if not re.fullmatch(r"[1-9]\d*/[1-9]\d*", options.part):
        raise UserError(f"--part should be as 3/8, but is {options.part!r}")
    part, parts = map(int, options.part.split("/"))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    faults = 0
    columns = "files", "refused in one sentence", "accepted", "other errors", "seconds", "slowest, ms", "MB"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        made = parsers()
        if options.parser:
            check_name(options.parser, made, "--parser")
        print_header("parser", *columns)
        for name, each in made.items():
            count = round(options.count * each.share / 100)
            numbers = range(count * (part - 1) // parts, count * part // parts)
            if options.parser not in (None, name):
                continue
            start = time.perf_counter()
            refused, accepted, fault, done, slowest, memory = fuzz(each, name, numbers, options.seed)
            Path(each.path).write_bytes(each.sound[0])  # Other parsers load it, too.
            faults += fault
            outcomes = [f"{done:,}", f"{refused:,}", f"{accepted:,}", fault]
            print_row(name, *outcomes, f"{time.perf_counter() - start:.0f}", slowest // 1000, memory // 10**6)
        os.chdir(PROJECT)
    sys.exit(bool(faults))


if __name__ == "__main__":
    run_cli(main)
