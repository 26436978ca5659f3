"""The processes that predict, and the queue before them."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import emnist
from emnist.utils.errors import UserError

MAX_WAITING = 256  # requests; on two cores, the last of them waits for half a second
WAIT_SECONDS = 2  # for a process, after which the request is refused
WORK_SECONDS = 10  # on one request, after which its process ends
MAX_ANSWER = 100_000_000  # bytes; 256 pictures, six networks and 62 characters give far fewer


def busy():
    return HTTPException(503, "the server is busy: ask again in three seconds", {"Retry-After": "3"})


class Workers:
    """Processes that predict, each for one request at a time, as an asynchronous context manager.

    Parameters
    ----------
    networks : dict of str to str
        For each name, the name or the path by which `emnist.Reader` finds the network.
    count : int
        The number of processes.

    Attributes
    ----------
    networks : list of dict
        What each network's file says about itself, and its name; once the processes have started.
    names : list of str
    waiting : int
        The number of requests that wait for a process.

    Raises
    ------
    UserError
        On entering, if there is no such network, or its file is damaged.
    """

    def __init__(self, networks, count):
        self.sources, self.names, self.count, self.waiting = networks, list(networks), count, 0
        self.idle = asyncio.LifoQueue()  # of processes; None stands for one that is still to be started

    async def __aenter__(self):
        for process in await asyncio.gather(*(self._start() for _ in range(self.count))):
            self.idle.put_nowait(process)
        return self

    async def __aexit__(self, *_):
        while not self.idle.empty():
            if process := self.idle.get_nowait():
                process.stdin.close()

    @property
    def is_full(self):
        return self.waiting >= MAX_WAITING

    async def work(self, leave, body, **job):
        """Let a process do a job.

        Parameters
        ----------
        leave : callable
            Returns a coroutine that ends when the client has gone.
        body : bytes
        **job
            The other arguments of `emnist.serve.worker.work`.

        Returns
        -------
        bytes
            JSON.

        Raises
        ------
        UserError, HTTPException
            What `emnist.serve.worker.work` raises; 503 if no process is free in time, or it was killed; 422 if the
            request takes more than `WORK_SECONDS`.
        ClientDisconnect
            If the client has gone before a process was free.
        """
        process, start, released = await self._take(leave), time.monotonic(), None
        try:
            process = process or await self._start()
            head = json.dumps({"size": len(body), "seconds": WORK_SECONDS} | job)
            process.stdin.write(head.encode() + b"\n" + body)
            status, answer = await _answer(process)
            released = process
        except (EOFError, OSError):  # the process has ended, or none can be started
            if time.monotonic() - start < WORK_SECONDS:
                raise busy() from None
            raise UserError(
                f"the pictures should take at most {WORK_SECONDS} seconds, but take longer: send fewer or smaller"
            ) from None
        finally:
            self.idle.put_nowait(released)
        if status != 200:
            raise HTTPException(status, json.loads(answer)["error"])
        return answer

    async def _take(self, leave):
        """Wait for a process, behind those who came earlier; None if it is still to be started."""
        if not self.waiting and not self.idle.empty():
            return self.idle.get_nowait()
        if self.is_full:
            raise busy()
        self.waiting += 1
        turn, gone = asyncio.create_task(self.idle.get()), asyncio.create_task(leave())
        await asyncio.wait((turn, gone), timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        self.waiting -= 1
        gone.cancel()
        if turn.done():
            return turn.result()
        turn.cancel()
        raise ClientDisconnect if gone.done() else busy()

    async def _start(self):
        package = str(Path(emnist.__file__).parents[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "emnist.serve.worker", json.dumps(self.sources)),
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}
            | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_ANSWER,
            # Ctrl-C in a terminal is for the server, which lets them finish. Windows has groups instead of sessions.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        status, answer = await _answer(process)  # once it is ready
        if status != 200:
            raise UserError(json.loads(answer)["error"])
        self.networks = json.loads(answer)
        return process


async def _answer(process):
    """Return the HTTP status and the JSON that a process gives next."""
    status, _, answer = (await process.stdout.readline()).partition(b" ")
    if not answer.endswith(b"\n"):
        raise EOFError
    return int(status), answer[:-1]
