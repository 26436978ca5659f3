"""Fuzzing of every parser: a damaged file must give a result or a one-line error that names the file.

    python -m benchmarks.fuzz --count 100000

Bytes of a sound file are changed, removed, duplicated or cut off; in gzipped files half of the damage is inside a sound
compression. Exits with 1 if a parser raises anything but a `UserError`, and saves the file that caused it.
"""

import argparse
import gzip
import io
import random
import sys
import tempfile
import traceback
import warnings
import zipfile
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from emnist.data import idx
from emnist.data.files import read_array, read_json, write_array, write_json
from emnist.models import build_model, load_model
from emnist.models.pretrained import FOLDER
from emnist.models.weights import load_weights, save_weights
from emnist.params import load_params
from emnist.reading.network import Network
from emnist.reading.pictures import read_character
from emnist.sources.emnist import _read_member
from emnist.utils.checkpoint import Checkpoint
from emnist.utils.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
FORMATS = ("png", "jpeg", "gif", "tiff", "bmp", "webp", "ppm", "avif")


def parsers(folder):
    """Write sound files of every format.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    dict of str to (list of bytes, callable, int)
        The sound files of each parser, the parser, which takes a path, and its percentage of the damaged files.
    """
    idx.write_images(folder / "images", IMAGES)
    idx.write_labels(folder / "labels", np.arange(3, dtype=np.uint8))
    write_array(folder / "array", IMAGES)
    write_json(folder / "json", {"mean": 0.1, "list": [1, None, "text"]})
    save_weights(folder / "weights", build_model("lenet", 10), model="lenet", classes="0123456789", mean=0.1, std=0.3)
    Checkpoint("state", folder).save({"tensor": torch.arange(9)}, [{"epoch": 1}])
    with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "ab":
            archive.writestr(f"gzip/{name}", name * 50)
    contents = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def load_state(path):
        (folder / "state" / "state").write_bytes(path.read_bytes())
        return Checkpoint("state", folder).load()

    def compute(path):
        return Network(path).probabilities(IMAGES)

    return {
        "IDX images": ([contents["images"]], idx.read_images, 14),
        "IDX labels": ([contents["labels"]], lambda path: idx.read_labels(path, 62), 14),
        "zip archive": ([contents["zip"]], lambda path: b"".join(_read_member(path, "gzip/a")), 14),
        "npy array": ([contents["array"]], lambda path: read_array(path, np.uint8, 3), 10),
        "JSON": ([contents["json"]], read_json, 5),
        "safetensors": ([contents["weights"]], load_weights, 5),
        "model": ([contents["weights"]], load_model, 3),
        "checkpoint": ([(folder / "state" / "state").read_bytes()], load_state, 3),
        "params.yaml": ([Path("params.yaml").read_bytes()], load_params, 3),
        "picture": (pictures(), read_character, 20),
        "ONNX": ([(FOLDER / "lenet.onnx").read_bytes()], compute, 6),
    }


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
    """Damage a file at one to four places, half of them in its first bytes, where damage has most effect.

    Parameters
    ----------
    sound : bytes
    rng : random.Random

    Returns
    -------
    bytes
    """
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rng, faults = random.Random(options.seed), 0
    print("| parser | damaged files | refused in one sentence | read all the same | other errors |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        path = folder / "damaged"
        for name, (sound, read, share) in parsers(folder).items():
            outcomes = Counter()
            for _ in range(options.count * share // 100):
                content = damage(rng.choice(sound), rng)
                path.write_bytes(content)
                outcome = outcome_of(read, path)
                outcomes[outcome] += 1
                if outcome == "fault":
                    saved = Path(f"fuzz-{name.replace(' ', '-')}-{faults}")
                    saved.write_bytes(content)
                    faults += 1
            print(
                f"| {name} | {outcomes.total():,} | {outcomes['refused']:,} | {outcomes['read']:,} "
                f"| {outcomes['fault']} |",
                flush=True,
            )
    sys.exit(bool(faults))


def outcome_of(read, path):
    """Return "read", "refused" or "fault" for a parser and the path of a damaged file."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            read(path)
    except UserError as error:
        # One line, which names the file.
        return "refused" if str(path) in str(error) and "\n" not in str(error) else "fault"
    except Exception:
        traceback.print_exc()
        return "fault"
    return "refused" if "is damaged" in printed.getvalue() else "read"


if __name__ == "__main__":
    main()
