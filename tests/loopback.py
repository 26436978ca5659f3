"""Real servers on the loopback interface: one of HTTP that misbehaves as told, and others' programs."""

import socket
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def running(command, port, log):
    """Run a server's program until the end of the block, once it accepts connections; its output goes to a file."""
    with open(log, "w") as output:
        server = subprocess.Popen(list(map(str, command)), stdout=output, stderr=subprocess.STDOUT)
    end = monotonic() + 300
    try:
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None and monotonic() < end, open(log).read()
            sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


@contextmanager
def listening(handler):
    """Run a server whose requests a handler of `http.server` answers; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving(*answers):
    """Give each request to the next of `answers`, the last of which answers all that follow.

    Yields the server's address and the list of requests so far, each a path and the Range header or None.
    """
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append((self.path, self.headers["Range"]))
            answers[min(len(requests), len(answers)) - 1](self)

        def log_message(self, *_):
            pass

    with listening(Handler) as address:
        yield address, requests


def files(contents):
    """Answer with the file of that path, or 404; a Range is honoured."""

    def answer(handler):
        content = contents.get(handler.path)
        (status(404) if content is None else sends(content))(handler)

    return answer


def sends(content, kind="application/octet-stream", ranges=True, cut=None, seconds_per_kib=0, length=True):
    """Answer with `content`, from where the request's Range begins; `cut` bytes in, the connection breaks."""

    size = 1024 if seconds_per_kib else 2**20

    def answer(handler):
        asked = handler.headers["Range"] if ranges else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked and start >= len(content):
            return status(416)(handler)
        handler.send_response(206 if asked else 200)
        handler.send_header("Content-Type", kind)
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if length:
            handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        try:
            for place in range(start, len(content[:cut]), size):
                handler.wfile.write(content[:cut][place : place + size])
                sleep(seconds_per_kib)
        except ConnectionError:
            pass  # the test's client was killed

    return answer


def status(code):
    """Answer with nothing but a status."""
    return lambda handler: handler.send_error(code)


def redirects(target):
    """Answer with a redirect."""

    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hangs_up(handler):
    """Close the connection without an answer."""
