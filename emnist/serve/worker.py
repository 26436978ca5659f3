"""A process that predicts, so that the server's own process only speaks HTTP.

It takes jobs on standard input and answers on standard output, until its input ends. A job is a line of JSON, the
arguments of `work`, and the request's body. An answer is a line, an HTTP status and JSON.
"""

import base64
import email
import faulthandler
import json
import os
import sys
import warnings

import numpy as np
from starlette.exceptions import HTTPException

from emnist.data.convert import SIDE
from emnist.reading import pictures
from emnist.reading.forms import collect_warnings
from emnist.reading.reader import Reader
from emnist.utils.errors import UserError

MAX_PICTURES = 256  # in one request
MAX_PIXELS = 30_000_000  # in one picture; decoded, it takes some hundred megabytes


def main():
    """Do jobs until standard input ends; the argument is JSON, the networks' sources by their names."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", 0)
    # Libraries in C write about damaged files; only what Python itself reports goes to standard error.
    sys.stderr, nothing = os.fdopen(os.dup(2), "w", buffering=1), os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nothing, output)
    warnings.simplefilter("ignore")  # Pillow warns about what a file holds besides its pixels
    pictures.MAX_PIXELS = MAX_PIXELS
    readers = {}
    answers.write(answer(load, readers, json.loads(sys.argv[1])))
    for line in jobs:
        job = json.loads(line)
        body = jobs.read(job.pop("size"))
        # It ends the process also in the midst of a library's work.
        faulthandler.dump_traceback_later(job.pop("seconds"), exit=True, file=nothing)
        line = answer(work, readers, body, **job)
        faulthandler.cancel_dump_traceback_later()
        answers.write(line)


def answer(function, *arguments, **job):
    try:
        status, value = 200, function(*arguments, **job)
    except UserError as error:
        status, value = 422, {"error": str(error)}
    except HTTPException as error:
        status, value = error.status_code, {"error": error.detail}
    return f"{status} {json.dumps(value)}\n".encode()


def load(readers, networks):
    """Load the networks, and return what the file of each says about itself, and its name."""
    readers |= {name: Reader(source) for name, source in networks.items()}
    return [{**reader.network.metadata, "name": name} for name, reader in readers.items()]


def work(readers, body, kind, header="", models=(), top=0, alphabet=None, form=None):
    """Predict what the pictures of a request show.

    Parameters
    ----------
    readers : dict of str to emnist.reading.reader.Reader
    body : bytes
    kind : {"image/*", "application/json", "multipart/form-data", "application/octet-stream", "drawing"}
        What the body holds.
    header : str
        The request's ``Content-Type``.
    models : list of str
        Names of the readers.
    top : int
        The number of predictions of each.
    alphabet : dict
        The arguments of `Reader.predict` that say which characters are possible.
    form : dict, optional
        Those of `Reader.read` about forms, where text is read; empty where single characters are predicted.

    Returns
    -------
    dict
        The answer; of a drawing, the image and the character that it shows.

    Raises
    ------
    UserError, HTTPException
        If the body does not hold pictures, or one of them cannot be read.
    """
    if kind == "drawing":
        form = '{"picture": "...", "character": "A"} with the picture in base64'
        file, character = from_json(body, form, lambda value: (decode(value["picture"]), value["character"]))
        return {"image": encode(pictures.read_character(file)), "character": character}
    if form:
        pages = pages_of(body, kind, header, lambda file: read(readers, file, models, top, alphabet | form))
        return {"pictures": list(pages)}
    images = from_pixels(body) if kind == "application/octet-stream" else np.stack([*pages_of(body, kind, header)])
    columns = [readers[model].predict_images(images, **alphabet) for model in models]
    return {
        "pictures": [
            {
                "image": encode(image),
                "networks": [
                    {"network": model, **prediction.answer(), "predictions": prediction.guesses(top)}
                    for model, prediction in zip(models, predictions)
                ],
            }
            for image, *predictions in zip(images, *columns)
        ]
    }


def from_pixels(body):
    count, rest = divmod(len(body), SIDE * SIDE)
    if rest or not 1 <= count <= MAX_PICTURES:
        raise UserError(
            f"raw pixels should be 1 to {MAX_PICTURES} images of {SIDE}x{SIDE} bytes each, "
            f"but are {len(body):,} bytes: send whole images, in several requests if they are more"
        )
    return np.frombuffer(body, np.uint8).reshape(count, SIDE, SIDE)


def read(readers, file, models, top, arguments):
    """Read a picture's text by each network, and note what may be wrong with it."""
    networks, notes = [], []
    for model in models:
        with collect_warnings(notes):
            lines = readers[model].read(file, **arguments)
        networks.append({"network": model, "lines": [line.values(top) for line in lines]})
    return {"networks": networks, "notes": list(dict.fromkeys(notes))}


def pages_of(body, kind, header, take=pictures.read_character):
    """Give what `take` makes of each picture in a body; its errors say which picture it is."""
    if kind == "image/*":
        files = [body]
    elif kind == "multipart/form-data":
        files = files_of(body, header)
    else:
        form = f'{{"pictures": ["..."]}} with 1 to {MAX_PICTURES} pictures in base64'
        files = from_json(body, form, pictures_of)
    for number, file in enumerate(files, 1):
        try:
            yield take(file)
        except UserError as error:
            which = f"picture {number} of {len(files)}: " if len(files) > 1 else ""
            raise UserError(f"{which}{error}") from None


def files_of(body, header):
    """Return the files that are in the fields of a form (RFC 7578)."""
    form = email.message_from_bytes(b"Content-Type: " + header.encode("latin-1") + b"\r\n\r\n" + body)
    parts = form.get_payload() if form.is_multipart() else []
    if not 1 <= len(parts) <= MAX_PICTURES or form.defects:
        raise HTTPException(
            400,
            f"the form should hold 1 to {MAX_PICTURES} files between its boundaries, but does not: see /openapi.json",
        )
    for part in parts:
        if part.get_filename() is None:
            raise UserError(
                "each field of the form should be a picture's file, but one is text: write model and top behind the address"
            )
    return [part.get_payload(decode=True) or b"" for part in parts]


def pictures_of(value):
    if not 1 <= len(value["pictures"]) <= MAX_PICTURES:
        raise ValueError
    return [decode(picture) for picture in value["pictures"]]


def from_json(body, form, take):
    """Take what is wanted out of a body of JSON, by a function of its value; an error tells the form."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body should be JSON, but is not: see /openapi.json") from None
    try:
        return take(value)
    except (AttributeError, TypeError, KeyError, ValueError):
        raise HTTPException(400, f"the body should be {form}: see /openapi.json") from None


def decode(text):
    """Decode base64 as programs write it: with line breaks, in the alphabet for URLs, or in a data: URL."""
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise ValueError
    text = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def encode(image):
    return base64.b64encode(image.tobytes()).decode()


if __name__ == "__main__":
    main()
