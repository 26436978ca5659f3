"""Predictions for a person's own pictures."""

import csv
import json
import os
import sys
import warnings
from collections import Counter
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

from emnist.cli import comma_separated
from emnist.utils.errors import UserError, printable

EXAMPLE = "emnist predict photo.png scan.jpg"
EXPORTED = "data/model/emnist.onnx"  # of your own run
UNKNOWN = "?"  # what is answered instead of a character below --min-probability
BATCH = 32  # pictures that the networks read at once
MAX_INPUT = 100_000_000  # bytes of standard input


def add_arguments(parser):
    add_pictures(parser, "a picture of one character")
    parser.add_argument(
        "--top", type=int, default=3, metavar="N", help="guesses for each picture (default: %(default)s)"
    )
    add_alphabet(parser)


def add_pictures(parser, what):
    """Add what names the pictures, the networks and the format of the output."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help=f"{what}, of any size, dark on light or light on dark; a folder of such pictures; "
        "or - for one from standard input",
    )
    parser.add_argument(
        "--model",
        type=comma_separated,
        metavar="A,B,...",
        help="pretrained networks, such as resnet, or exported ones, such as mine.onnx "
        f"(default: {EXPORTED}, or the pretrained handwriting if there is none)",
    )
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--format", choices=["text", *WRITERS], default="text", help="default: %(default)s")
    formats.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")


def add_alphabet(parser):
    """Add the options that say which characters are possible, and how sure an answer must be."""
    parser.add_argument(
        "--characters", metavar="SET", help="the only possible characters, such as 0-9 or A-Z0-9 (default: all)"
    )
    parser.add_argument("--ignore-case", action="store_true", help="count a letter's two cases as one")
    parser.add_argument(
        "--min-probability",
        type=float,
        default=0,
        metavar="P",
        help="answer ? where the most probable character has less, from 0 to 1 (default: %(default)s)",
    )


def alphabet_of(options):
    """Return the arguments of `Reader.predict` and `Reader.read` that the options give."""
    if not 0 <= options.min_probability <= 1:
        raise UserError(f"--min-probability should be from 0 to 1, but is {options.min_probability}")
    return {name: getattr(options, name) for name in ("characters", "ignore_case", "min_probability")}


class Errors(list):
    """Errors of pictures, of which standard error tells when they are appended."""

    def append(self, error):
        print(f"error: {error}", file=sys.stderr)
        super().append(error)


def main(options):
    if options.top < 1:
        raise UserError(f"--top should be at least 1, but is {options.top}")
    warnings.simplefilter("ignore")  # of Pillow, about what a file holds besides its pixels
    readers, errors = load_readers(options.model), Errors()
    predictions = predict(readers, options.images, options.top, errors, alphabet_of(options))
    if options.format == "text":
        write_text(predictions, several=len(readers) > 1)
    else:
        WRITERS[options.format](predictions)
    sys.exit(bool(errors))


def load_readers(models):
    """Load networks by their names (list of str or None). Without any and a network of one's own, say which one reads."""
    from emnist.reading.reader import DEFAULT, Reader

    if not models and not Path(EXPORTED).exists():
        print(f"the pretrained network {DEFAULT} reads; --model names others", file=sys.stderr)
        models = [DEFAULT]
    return {name: Reader(name) for name in models or [EXPORTED]}


def predict(readers, names, top, errors, alphabet):
    """Read pictures by each network; a picture that cannot be read is reported on standard error and left out.

    Parameters
    ----------
    readers : dict of str to emnist.Reader
    names : list of str
        Files, folders, or ``-`` for standard input.
    top : int
        Number of guesses.
    errors : Errors
    alphabet : dict
        Further arguments of `Reader.predict_images`.

    Yields
    ------
    dict
        ``file``, ``network``, ``character`` and ``predictions``, a list of dict with ``character`` and ``probability``.
    """
    import numpy as np

    files = [file for name in names for file in find_files(name, errors)]
    for start in range(0, len(files), BATCH):
        found = []
        for file in files[start : start + BATCH]:
            try:
                found.append((file, read_picture(file, next(iter(readers.values())))))
            except UserError as error:
                errors.append(error)
        if not found:
            continue
        images = np.stack([image for _, image in found])
        columns = [reader.predict_images(images, **alphabet) for reader in readers.values()]
        for (file, _), *predictions in zip(found, *columns):
            for network, prediction in zip(readers, predictions):
                yield {"file": file, "network": network, **prediction.answer(), "predictions": prediction.guesses(top)}


@contextmanager
def c_stderr_dropped():
    """Drop what libraries in C write to standard error: libtiff says there what is wrong with a file."""
    kept, dropped = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(dropped, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(dropped)


def find_files(name, errors):
    """List the pictures in a folder and its subfolders by their suffixes; of anything else, give the name itself.

    Links to folders are followed. Standard error says how many other files there are; a `UserError` for each
    folder that cannot be read is appended to `errors`.
    """
    if not Path(name).is_dir():
        return [name]
    from emnist.reading.pictures import SUFFIXES

    found, others, denied, seen = [], Counter(), [], set()
    for folder, subfolders, files in os.walk(name, onerror=denied.append, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:  # a link leads back here
            subfolders.clear()
            continue
        seen.add(real)
        for path in (Path(folder, file) for file in files if file[0] != "."):
            if path.suffix.lower() in SUFFIXES:
                found.append(str(path))
            else:
                others[path.suffix.lower() or "no suffix"] += 1
    for error in denied:
        errors.append(UserError(f"{error.filename} cannot be read ({error.strerror}): check its permissions"))
    if not found and not denied:
        errors.append(UserError(f"{name} should hold pictures, but holds no file that ends in {', '.join(SUFFIXES)}"))
    elif others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in others.most_common(5))
        print(printable(f"{name}: other files left out: {others.total()} ({kinds})"), file=sys.stderr)
    return sorted(found)


def read_picture(name, reader):
    """Read a picture of one character; if it shows several, standard error says so."""
    from emnist.reading.pictures import open_grey, read_character
    from emnist.reading.text import shows_several

    picture, shown = input_of(name)
    with c_stderr_dropped():
        grey = open_grey(picture, shown)
    note_pages(picture, shown)
    character = read_character(grey, shown)
    if shows_several(grey):
        found = [each for line in reader.read(grey) for each in line.characters if each.probabilities[0][1] > 0.5]
        if len(found) > 1:
            print(f"{shown} shows {len(found)} characters: `emnist read {shown}` reads them", file=sys.stderr)
    return character


def note_pages(picture, shown):
    """Say on standard error that a TIFF, given by its path (str) or its bytes, has several pages: the first is read."""
    from PIL import Image

    pages = 1
    with (
        suppress(Exception),
        Image.open(BytesIO(picture) if isinstance(picture, bytes) else picture, formats=["TIFF"]) as file,
    ):
        pages = file.n_frames
    if pages > 1:
        print(f"note: {shown} has {pages} pages, of which only the first is read: save each as a file", file=sys.stderr)


def input_of(name):
    """Give a picture's path, or its bytes if the name is ``-``, for standard input; and what messages call it."""
    if name != "-":
        return name, printable(name)
    content = sys.stdin.buffer.read(MAX_INPUT + 1)
    if len(content) > MAX_INPUT:
        raise UserError(f"standard input should be a picture, but is longer than {MAX_INPUT:,} bytes: scale it down")
    return content, "standard input"


def write_text(predictions, several):
    for prediction in predictions:
        network = f" ({prediction['network']})" if several else ""
        guesses = ", ".join(f"{each['character']} {each['probability']:.1%}" for each in prediction["predictions"])
        if prediction.get("character") == UNKNOWN:
            guesses = UNKNOWN
        print(f"{printable(prediction['file'])}{network}: {guesses}")


def write_json(values):
    print(json.dumps(list(values), indent=2))


def write_json_lines(values):
    for value in values:
        print(json.dumps(value))


def write_csv(predictions):
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["file", "network", "rank", "character", "probability"])
    for prediction in predictions:
        for rank, guess in enumerate(prediction["predictions"], 1):
            character = prediction.get("character", guess["character"]) if rank == 1 else guess["character"]
            row = [printable(prediction["file"]), prediction["network"], rank, character, guess["probability"]]
            table.writerow(row)


WRITERS = {"json": write_json, "jsonl": write_json_lines, "csv": write_csv}
