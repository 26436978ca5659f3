"""What every request must be like, whatever its address."""

import ipaddress
import time
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from emnist.serve.policy import hashes
from emnist.utils.errors import printable


def protection(page):
    """Return the headers that protect a page of HTML, whose own style and script are allowed by their hashes."""
    policy = (
        f"default-src 'none'; script-src {hashes('script', page)}; style-src {hashes('style', page)}; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return [
        ("content-security-policy", policy),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ]


class Guard:
    """Refuses what other sites let a browser send to an ASGI application, and writes the log.

    A name in ``Host`` that is not the server's own may be another site's, which it lets point here (DNS rebinding); an
    address cannot be.

    Parameters
    ----------
    app : ASGI application
    hosts : list of str
        The server's own names, each with the port that is in its URL, if one is.
    root_path : str
        With which paths may begin that a proxy passes on.
    log : bool
        Whether each request is told in a line of standard output.
    """

    def __init__(self, app, hosts, root_path="", log=False):
        self.app, self.hosts, self.root_path, self.log = app, [host.lower() for host in hosts], root_path, log
        self.names = {host.partition(":")[0] for host in self.hosts}

    async def __call__(self, scope, receive, send):
        start, status = time.perf_counter(), None

        async def send_and_note(message):
            nonlocal status
            status = status or message["status"]
            await send(message)

        app = self.app
        if refusal := self._check(scope):
            app = JSONResponse({"error": refusal[1]}, refusal[0])
        await app(scope | {"root_path": self.root_path}, receive, send_and_note if self.log else send)
        if self.log:
            with suppress(OSError):  # whoever has taken the lines, such as `head`, has gone
                milliseconds = 1000 * (time.perf_counter() - start)
                print(scope["method"], printable(scope["path"]), status, f"{milliseconds:.1f} ms", flush=True)

    def _check(self, scope):
        """Return None, or a status and a sentence if the request is refused."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_own(host):
            return 421, (
                f"Host should be an address or {' or '.join(sorted(self.names))}, but is {host!r:.60}: "
                "start the server with `--allowed-host NAME` to reach it by that name"
            )
        origin, site = headers.get("origin", f"//{host}"), headers.get("sec-fetch-site", "none")
        is_own = origin.partition("//")[2].lower() in (host.lower(), *self.hosts)
        if scope["method"] == "POST" and not (site in ("none", "same-origin") and is_own):
            return 403, (
                f"a page of another site sent this request (Origin: {origin!r:.60}): use the server's own page, or a "
                "program; behind a proxy, start the server with `--allowed-host NAME` as the page's address has it"
            )

    def _is_own(self, host):
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self.names or bool(ipaddress.ip_address(name))
        except ValueError:
            return False
