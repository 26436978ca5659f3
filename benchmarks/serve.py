"""Requests a second that `emnist serve` answers, and how long each takes.

    python -m benchmarks.serve                           # 32 clients, then 500
    python -m benchmarks.serve --side 280                # larger drawings
    python -m benchmarks.serve --pixels                  # images of 28x28 pixels, which need no conversion

Each client sends one drawing as the page does (160x160 pixels, PNG), waits for the answer, and sends the next. One that is
refused as the server is busy (503) waits as long as it is told to. The clients are this process and the server is
another, with one process more for each core.
"""

import asyncio
import os
import random
import statistics
import time

import psutil
from server_helpers import drawing, encode, serving

from benchmarks import make_parser, numbers, print_header, print_row
from emnist.utils.errors import run_cli


def random_drawing(rng, side=160):
    """Draw one to three strokes at random, by a random.Random."""
    strokes = [[(rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)) for _ in range(4)] for _ in range(rng.randint(1, 3))]
    return drawing(strokes, side)


class Client(asyncio.Protocol):
    """Sends requests one after the other, and records a status and seconds for each."""

    def __init__(self, requests, end, outcomes, done):
        self.requests, self.end, self.outcomes, self.done = requests, end, outcomes, done

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        if time.perf_counter() >= self.end:
            self.transport.close()
            return
        self.answer, self.start = b"", time.perf_counter()
        self.transport.write(random.choice(self.requests))

    def data_received(self, data):
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
            return
        status = int(head[9:12])
        now = time.perf_counter()
        if now < self.end:
            self.outcomes.append((status, now - self.start))
        if status == 503:
            asyncio.get_running_loop().call_later(int(head.lower().split(b"retry-after: ")[1][:1]), self.send)
        else:
            self.send()

    def connection_lost(self, _):
        self.done.set_result(None)


async def load(host, port, requests, clients, seconds):
    """Let clients send requests for some seconds, and return their outcomes, a list of (status, seconds)."""
    loop, outcomes, waiting = asyncio.get_running_loop(), [], []
    end = time.perf_counter() + seconds
    for _ in range(clients):
        waiting.append(loop.create_future())
        await loop.create_connection(lambda: Client(requests, end, outcomes, waiting[-1]), host, port)
    await asyncio.wait(waiting, timeout=seconds + 30)
    return outcomes


def processor_seconds(process):
    """Return the processor time that a process and its children have used."""
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--clients", type=numbers, default=[32, 500])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--model", default="handwriting")
    parser.add_argument("--side", type=int, default=160, help="pixels of a drawing's side, by default the page's 160")
    parser.add_argument("--pixels", action="store_true", help="send images of 28x28 pixels")
    options = parser.parse_args()
    rng = random.Random(0)
    bodies = [rng.randbytes(784) if options.pixels else encode(random_drawing(rng, options.side)) for _ in range(100)]
    kind = "application/octet-stream" if options.pixels else "image/png"
    requests = [
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    ]
    columns = ["answered a second", "median ms", "99 % within ms", "refused a second", "server's processor ms each"]
    print_header("clients", *columns)
    with serving("--model", options.model) as (url, server):
        host, port = url.removeprefix("http://").split(":")
        process = psutil.Process(server.pid)
        asyncio.run(load(host, port, requests, 32, 2))
        for clients in options.clients:
            before = processor_seconds(process)
            outcomes = asyncio.run(load(host, port, requests, clients, options.seconds))
            used = processor_seconds(process) - before
            answered = sorted(seconds for status, seconds in outcomes if status == 200)
            refused = sum(status == 503 for status, _ in outcomes)
            assert len(answered) + refused == len(outcomes), {status for status, _ in outcomes}
            rates = len(answered) / options.seconds, refused / options.seconds
            median, most = 1000 * statistics.median(answered), 1000 * answered[len(answered) * 99 // 100]
            cells = f"{rates[0]:.0f}", f"{median:.1f}", f"{most:.0f}", f"{rates[1]:.0f}"
            print_row(clients, *cells, f"{1000 * used / len(answered):.2f}")
    print(f"\n{os.cpu_count()} cores, load average at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    run_cli(main)
