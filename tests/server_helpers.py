"""A real `emnist serve` on loopback, and drawings such as its page sends."""

import io
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psutil
from PIL import Image, ImageDraw

CAPITAL_A = [[(0.2, 0.85), (0.5, 0.15)], [(0.5, 0.15), (0.8, 0.85)], [(0.32, 0.6), (0.68, 0.6)]]  # shares of the pad


@contextmanager
def serving(*arguments, changes="", cwd=None):
    """Start a server, and end it if it has not ended.

    Parameters
    ----------
    *arguments : str
        Of `emnist serve`; the port is one that is free.
    changes : str
        Python that runs first, such as ``import emnist.serve.app as app; app.BODY_SECONDS = 1``.
    cwd : path-like, optional
        Where it runs; by default in an empty folder, where no network of one's own is found.

    Yields
    ------
    url : str
    server : subprocess.Popen
        Afterwards with ``log``, what it has printed since.
    """
    errors, empty = tempfile.TemporaryFile("w+"), tempfile.TemporaryDirectory()
    server = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-c",
            f"import sys\n{changes}\nfrom emnist.__main__ import emnist\n"
            f"sys.argv = ['emnist', 'serve', '--port', '0', *{arguments}]\nemnist()",
        ],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        cwd=cwd or empty.name,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    server.errors = errors
    try:
        line = server.stdout.readline()
        assert " is ready" in line, line + errors_of(server)
        yield line.split()[0], server
    finally:
        server.terminate()
        server.log = server.communicate()[0]
        empty.cleanup()


def processes_of(server):
    """Give the processes that predict for a server."""
    return psutil.Process(server.pid).children()


def errors_of(server):
    """Give what a server has written to standard error."""
    server.errors.seek(0)
    return server.errors.read()


def drawing(strokes=CAPITAL_A, side=160):
    """Draw strokes, black on white, with a round pen as thick as the page's."""
    pen = round(0.065 * side)
    image = Image.new("L", (side, side), 255)
    draw = ImageDraw.Draw(image)
    for points in strokes:
        points = [(side * x, side * y) for x, y in points]
        draw.line(points, fill=0, width=pen)
        for x, y in points:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=0)
    return image


def encode(image, kind="PNG", **options):
    """Give the bytes of an image's file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
