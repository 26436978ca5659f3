"""A process that reads pictures, so that the server's own process only speaks HTTP.

It takes jobs on standard input and answers on standard output, until its input ends. A job is the lengths of two parts
(big-endian, 4 bytes each), a JSON object and the request's body; an answer is a status (2 bytes), a length (4 bytes) and
JSON.
"""

import base64
import json
import os
import struct
import sys
import warnings

import numpy as np

from emnist.data.convert import SIDE
from emnist.reading import pictures
from emnist.reading.reader import Reader
from emnist.utils.errors import UserError

JOB, ANSWER = struct.Struct(">II"), struct.Struct(">HI")
MAX_PICTURES = 256  # in one request
MAX_PIXELS = 30_000_000  # in one picture; decoded, it takes some hundred megabytes


class RequestError(Exception):
    """What is wrong with a request: an HTTP status and a sentence."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


def main():
    """Read jobs until standard input ends; the arguments name the networks, as for `emnist.Reader`."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Libraries in C write about damaged files; only what Python itself reports goes to standard error.
    sys.stderr, nothing = os.fdopen(os.dup(2), "w", buffering=1), os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nothing, output)
    warnings.simplefilter("ignore")  # of Pillow, about what a file holds besides its pixels
    pictures.MAX_PIXELS = MAX_PIXELS
    readers = {name: Reader(source) for name, source in json.loads(sys.argv[1]).items()}
    answer(answers, 200, {})
    while head := jobs.read(JOB.size):
        job, body = map(jobs.read, JOB.unpack(head))
        try:
            answer(answers, 200, work(readers, body, **json.loads(job)))
        except RequestError as error:
            answer(answers, error.status, {"error": str(error)})


def answer(answers, status, value):
    content = json.dumps(value).encode()
    answers.write(ANSWER.pack(status, len(content)) + content)
    answers.flush()


def work(readers, body, kind, models, top):
    """Read the pictures of a request.

    Parameters
    ----------
    readers : dict of str to emnist.reading.reader.Reader
    body : bytes
    kind : {"image", "json", "pixels"}
        What the body holds.
    models : list of str
        Names of the readers.
    top : int
        The number of predictions of each.

    Returns
    -------
    dict
        The answer, to be written as JSON.

    Raises
    ------
    RequestError
        If the body does not hold pictures, or one of them cannot be read.
    """
    images = from_pixels(body) if kind == "pixels" else np.stack([*from_pictures(pictures_of(body, kind))])
    columns = [readers[model].predict_images(images) for model in models]
    return {
        "pictures": [
            {
                "image": base64.b64encode(image.tobytes()).decode(),
                "networks": [
                    {"network": model, "predictions": reading.guesses(top)} for model, reading in zip(models, readings)
                ],
            }
            for image, *readings in zip(images, *columns)
        ]
    }


def from_pixels(body):
    count, rest = divmod(len(body), SIDE * SIDE)
    if rest or not 1 <= count <= MAX_PICTURES:
        raise RequestError(
            422,
            f"raw pixels should be 1 to {MAX_PICTURES} images of {SIDE}x{SIDE} bytes each, "
            f"but are {len(body):,} bytes: send whole images, in several requests if they are more",
        )
    return np.frombuffer(body, np.uint8).reshape(count, SIDE, SIDE)


def pictures_of(body, kind):
    if kind == "image":
        return [body]
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(400, "the body should be JSON, but is not: see /openapi.json") from None
    try:
        if not 1 <= len(value["pictures"]) <= MAX_PICTURES:
            raise ValueError
        return [base64.b64decode(picture, validate=True) for picture in value["pictures"]]
    except (TypeError, KeyError, ValueError):
        raise RequestError(
            400,
            f'the body should be {{"pictures": ["..."]}} with 1 to {MAX_PICTURES} pictures in base64: see /openapi.json',
        ) from None


def from_pictures(files):
    for number, file in enumerate(files, 1):
        try:
            yield pictures.read_character(file)
        except UserError as error:
            which = f"picture {number} of {len(files)}: " if len(files) > 1 else ""
            raise RequestError(422, f"{which}{error}") from None


if __name__ == "__main__":
    main()
