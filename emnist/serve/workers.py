"""The processes that read pictures, and the queue before them."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import emnist
from emnist.serve.worker import ANSWER, JOB

MAX_WAITING = 256  # requests; on two cores, the last of them waits for half a second
WAIT_SECONDS = 2  # for a process, after which the request is refused
WORK_SECONDS = 10  # on one request, after which its process is ended


class Busy(Exception):
    """More requests are waiting than can soon be answered."""


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
        self.idle, self.waiting, self.replacing = asyncio.Queue(), 0, set()

    async def __aenter__(self):
        for process in await asyncio.gather(*(self._start() for _ in range(self.count))):
            self.idle.put_nowait(process)
        return self

    async def __aexit__(self, *_):
        while not self.idle.empty():
            self.idle.get_nowait().stdin.close()

    @property
    def is_full(self):
        return self.waiting >= MAX_WAITING

    async def read(self, body, **job):
        """Let a process do `emnist.serve.worker.work`.

        Returns
        -------
        status : int
        answer : bytes
            JSON.

        Raises
        ------
        Busy, TooSlow
        """
        if self.is_full:
            raise Busy
        self.waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                process = await self.idle.get()
        except TimeoutError:
            raise Busy from None
        finally:
            self.waiting -= 1
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
        self.idle.put_nowait(process)
        return answer

    async def _replace(self):
        while True:
            try:
                return self.idle.put_nowait(await self._start())
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
