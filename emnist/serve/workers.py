"""The processes that read pictures, and the queue before them."""

import asyncio
import json
import os
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path

import emnist
from emnist.serve.worker import ANSWER, JOB

MAX_WAITING = 256  # requests; on two cores, the last of them waits for half a second
WAIT_SECONDS = 2  # for a process, after which the request is refused
WORK_SECONDS = 10  # on one request, after which its process is ended


class Busy(Exception):
    """More requests are waiting than can soon be answered."""


class Gone(Exception):
    """The one who asked has gone before a process was free."""


class TooSlow(Exception):
    """A request took more than `WORK_SECONDS`."""


class Workers:
    """Processes that read pictures, each one request at a time.

    Parameters
    ----------
    networks : dict of str to str
        For each name, the name or the path by which `emnist.Reader` finds the network.
    count : int
        The number of processes.
    """

    def __init__(self, networks, count):
        self.networks, self.count = networks, count
        self.idle, self.queue, self.replacing = [], deque(), set()

    async def __aenter__(self):
        self.idle += await asyncio.gather(*(self._start() for _ in range(self.count)))
        return self

    async def __aexit__(self, *_):
        for process in self.idle:
            process.stdin.close()

    @property
    def waiting(self):
        """The number of requests that wait for a process."""
        return len(self.queue)

    @property
    def is_full(self):
        return self.waiting >= MAX_WAITING

    async def read(self, body, leave, **job):
        """Let a process do `emnist.serve.worker.work`.

        Parameters
        ----------
        body : bytes
        leave : callable
            Returns a coroutine that ends when the client has gone.
        **job
            The other arguments of `emnist.serve.worker.work`.

        Returns
        -------
        status : int
        answer : bytes
            JSON.

        Raises
        ------
        Busy, Gone, TooSlow
        """
        process = self.idle.pop() if self.idle else await self._wait(leave)
        try:
            async with asyncio.timeout(WORK_SECONDS):
                head = json.dumps(job).encode()
                process.stdin.write(JOB.pack(len(head), len(body)) + head + body)
                answer = await _answer(process)
        except BaseException as error:
            with suppress(ProcessLookupError):
                process.kill()
            replacing = asyncio.create_task(self._replace())
            self.replacing.add(replacing)  # the event loop itself does not hold it
            replacing.add_done_callback(self.replacing.discard)
            if isinstance(error, TimeoutError):
                raise TooSlow from None
            if isinstance(error, asyncio.IncompleteReadError | ConnectionError):  # it was killed
                raise Busy from None
            raise
        self._release(process)
        return answer

    async def _wait(self, leave):
        """Wait for a process, behind those who came earlier."""
        if self.is_full:
            raise Busy
        turn, gone = asyncio.get_running_loop().create_future(), asyncio.create_task(leave())
        self.queue.append(turn)
        await asyncio.wait((turn, gone), timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if turn.done():
            return turn.result()
        self.queue.remove(turn)
        raise Gone if gone.done() else Busy

    def _release(self, process):
        if self.queue:
            self.queue.popleft().set_result(process)
        else:
            self.idle.append(process)

    async def _replace(self):
        while True:
            try:
                return self._release(await self._start())
            except (OSError, asyncio.IncompleteReadError):  # no memory, for example
                await asyncio.sleep(1)

    async def _start(self):
        package = str(Path(emnist.__file__).parents[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "emnist.serve.worker", json.dumps(self.networks)),
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}
            | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal is for the server, which lets them finish
        )
        await _answer(process)  # that it is ready
        return process


async def _answer(process):
    status, length = ANSWER.unpack(await process.stdout.readexactly(ANSWER.size))
    return status, await process.stdout.readexactly(length)
