"""The web server's process: its socket, its connections and its end."""

import asyncio
import socket

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from emnist.serve.app import PAGE, create_app
from emnist.serve.guard import Guard, protection
from emnist.serve.workers import Workers
from emnist.utils.environment import cores
from emnist.utils.errors import Interrupted, UserError

MAX_CONNECTIONS = 1000
CLIENT_SECONDS = 15  # to send a request's head, or to take the answer
SHUTDOWN_SECONDS = 15  # for requests that are being answered
PROBE_SECONDS = 0.1  # between two questions whether a client that waits for an answer is still there
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # clients ignore it


class Connection(H11Protocol):
    """A connection that slow clients cannot keep, of which uvicorn itself takes any number for ever.

    One that has closed its half is answered, and what is no HTTP is refused in JSON.
    """

    timer, half_closed = None, False

    def connection_made(self, transport):
        super().connection_made(transport)
        self._restart_timer()
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()

    def on_response_complete(self):
        super().on_response_complete()
        self._restart_timer()
        if self.half_closed and self.cycle.response_complete:
            self.transport.close()

    def eof_received(self):
        """Return whether the connection stays open, as it does while whole requests wait for their answers."""
        is_waiting = self.cycle is not None and not self.cycle.response_complete
        if is_waiting and not self.cycle.more_body:
            self.half_closed = True
            self.loop.call_later(PROBE_SECONDS, self._probe)
        elif is_waiting or self.conn.trailing_data[0]:
            self.send_400_response("")
        return self.half_closed

    def _probe(self):
        """Write to a client that has closed its half: if it closed all, its system answers that, which ends the wait."""
        if not self.transport.is_closing() and not self.cycle.response_started:
            if self.cycle.scope["http_version"] == "1.1":
                self.transport.write(CONTINUE)
            self.loop.call_later(PROBE_SECONDS, self._probe)

    def send_400_response(self, _):
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = b'{"error": "the request should be HTTP, but is not, or ends too early: see /openapi.json"}'
            headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
            head = h11.Response(status_code=400, headers=list(headers.items()), reason=b"Bad Request")
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self.transport.close()

    def connection_lost(self, exc):
        super().connection_lost(exc)
        self.timer.cancel()

    def _restart_timer(self):
        if self.timer:
            self.timer.cancel()
        self.timer = self.loop.call_later(CLIENT_SECONDS, self._end_if_waiting)

    def _end_if_waiting(self):
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def serve(networks, host, port, drawings=None, allowed_hosts=(), root_path="", log=False):
    """Serve until Ctrl-C or SIGTERM, and answer the requests that have come by then.

    Parameters
    ----------
    networks : dict of str to str
        For each name, the name or the path by which `emnist.Reader` finds the network. The first is the default.
    host : str
    port : int
        0: any that is free.
    drawings : emnist.serve.drawings.Drawings, optional
        Where drawings are kept.
    allowed_hosts : iterable of str
        Other names by which the server may be reached, such as a proxy's.
    root_path, log
        As for `emnist.serve.guard.Guard`.

    Raises
    ------
    UserError
        If the address cannot be used, or for a network as `emnist.reading.network.load_network` does.
    """
    listener = listen(host, port)
    address = f"[{host}]" if ":" in host else host

    async def run():
        async with Workers(networks, cores()) as workers:
            config = uvicorn.Config(
                Guard(create_app(workers, drawings, root_path), ["localhost", host, *allowed_hosts], root_path, log),
                http=Connection,
                ws="none",
                lifespan="off",
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=protection(PAGE.decode()),
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
            print(f"http://{address}:{listener.getsockname()[1]} is ready, Ctrl-C ends it", flush=True)
            await uvicorn.Server(config).serve(sockets=[listener])

    try:
        asyncio.run(run())
    except Interrupted:
        pass  # how a server ends


def listen(host, port):
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address, family=family, backlog=2048)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{host}:{port} cannot be served ({reason}): name another --host or --port") from None
