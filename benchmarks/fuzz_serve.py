"""Fuzzing of `emnist serve`: whatever is sent gets an answer that is no 500, or the connection is closed.

    python -m benchmarks.fuzz_serve --count 100000

Sound requests are damaged as `benchmarks.fuzz` damages files. Exits with 1 if the server answers with 500 or not in JSON,
ends, or loses one of its processes; the request is saved.
"""

import base64
import http.client
import json
import random
import socket
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from server_helpers import errors_of, processes_of, serving

from benchmarks import make_parser, print_header, print_row
from benchmarks.fuzz import damage, pictures
from emnist.serve.server import CONTINUE
from emnist.utils.errors import run_cli

CLIENTS = 8
EXPECTED = {200, 201, 400, 403, 404, 405, 408, 413, 415, 421, 422, 503}
ADDRESSES = [b"/predict?model=lenet&top=3", b"/read?characters=0-9&boxes=false", b"/models", b"/drawings", b"/../a.png"]
TYPES = ["image/png", "image/jpeg", "application/json", "application/octet-stream", "text/html", ""]


def makers():
    """Map what is damaged to a function of a random.Random that makes a path, headers and a body; HTTP has no path."""
    sound = pictures()
    texts = [base64.b64encode(picture).decode() for picture in sound]
    head = "POST /predict?model=lenet HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: "

    def picture(rng):
        path = rng.choice(["/predict", "/read", "/read?boxes=true"])
        return path, {"Content-Type": "image/png"}, damage(rng.choice(sound), rng)

    def many(rng):
        body = json.dumps({"pictures": rng.sample(texts, 2)}).encode()
        return rng.choice(["/predict", "/read"]), {"Content-Type": "application/json"}, damage(body, rng)

    def form(rng):
        head = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\n'
        body = head + rng.choice(sound) + b"\r\n" + head + rng.choice(sound) + b"\r\n--x--\r\n"
        return "/predict", {"Content-Type": "multipart/form-data; boundary=x"}, damage(body, rng)

    def kept(rng):
        body = json.dumps({"picture": rng.choice(texts), "character": rng.choice("A7z?")}).encode()
        return "/drawings", {"Content-Type": "application/json"}, damage(body, rng)

    def pixels(rng):
        body = rng.randbytes(rng.choice([784, 1568, 1, 0, 999]))
        return "/predict", {"Content-Type": "application/octet-stream"}, body

    def address(rng):
        path = damage(rng.choice(ADDRESSES), rng)
        path = "".join(chr(byte) if 33 <= byte < 127 else f"%{byte:02x}" for byte in path)
        return "/" + path.lstrip("/"), {"Content-Type": rng.choice(TYPES)}, sound[0]

    def headers(rng):
        names = ["Host", "Origin", "Sec-Fetch-Site", "Content-Type", "Expect", "X"]
        values = [*TYPES, "localhost", "http://[", "null", "[::1", "100-continue", "\xff", "a" * 5000]
        return "/predict", {name: rng.choice(values) for name in rng.sample(names, 3)}, sound[0]

    def raw(rng):
        return None, None, damage(f"{head}{len(sound[0])}\r\n\r\n".encode() + sound[0], rng)

    return {
        "picture": (picture, 45),
        "form": (form, 5),
        "JSON": (many, 10),
        "drawing to keep": (kept, 5),
        "pixels": (pixels, 5),
        "address": (address, 10),
        "headers": (headers, 10),
        "HTTP": (raw, 10),
    }


def ask(host, port, path, headers, body):
    """Send a request, and return its status, or "closed" if the connection was."""
    if path is None:
        with socket.create_connection((host, port), timeout=60) as client:
            try:
                client.sendall(body)
                client.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: client.recv(65536), b""))
            except ConnectionError:
                return "closed"
        while answer.startswith(CONTINUE):
            answer = answer.removeprefix(CONTINUE)
        return int(answer[9:12]) if answer else "closed"
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        content = response.read()
        json.loads(content)
        return response.status
    except ConnectionError:
        return "closed"
    finally:
        connection.close()


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="number of requests")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", required=True, metavar="FOLDER", help="where the server keeps drawings")
    options = parser.parse_args()
    lock, faults = threading.Lock(), 0
    with serving("--model", "lenet", "--keep", str(Path(options.keep).resolve())) as (url, server):
        host, port = url.removeprefix("http://").split(":")
        processes = [psutil.Process(server.pid), *processes_of(server)]

        def memory():
            return sum(process.memory_info().rss for process in processes)

        before = most = memory()

        def run(name, make, number):
            nonlocal faults, most
            request = make(random.Random(f"{options.seed} {name} {number}"))
            try:
                status = ask(host, port, *request)
            except Exception as error:
                status = type(error).__name__
            with lock:
                if number % 100 == 0:
                    most = max(most, memory())
                if status not in EXPECTED | {"closed"}:
                    Path(f"fuzz-serve-{faults}").write_text(repr((status, *request)))
                    faults += 1
            return status

        print_header("damaged", "requests", "answers")
        for name, (make, share) in makers().items():
            with ThreadPoolExecutor(CLIENTS) as clients:
                count = options.count * share // 100
                answers = Counter(clients.map(lambda number: run(name, make, number), range(count)))
            listed = [f"{status}: {n:,}" for status, n in sorted(answers.items(), key=str)]
            print_row(name, f"{count:,}", ", ".join(listed))
        errors = errors_of(server).splitlines()
        lost = [process.pid for process in processes if not process.is_running()]
    print(f"\nMemory of the server's processes: {before / 1e6:.0f} MB before, {most / 1e6:.0f} MB at most")
    print(
        f"{faults} other answers, {len(lost)} processes ended, {len(errors)} lines of errors, exit {server.returncode}"
    )
    print(*errors[:20], sep="\n")
    sys.exit(bool(faults or lost or errors or server.returncode))


if __name__ == "__main__":
    run_cli(main)
