"""What every request must be like, whatever its address."""

import base64
import hashlib
import ipaddress
import re
from urllib.parse import urlsplit

from starlette.responses import JSONResponse


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


def hashes(tag, page):
    texts = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


class Guard:
    """Refuses what other sites let a browser send to an ASGI application.

    A name in ``Host`` that is not one of `hosts`, the server's own, may be another site's, which it lets point here (DNS
    rebinding); an address cannot be.
    """

    def __init__(self, app, hosts):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope, receive, send):
        app = self.app
        if refusal := self._check(scope):
            status, sentence = refusal
            app = JSONResponse({"error": sentence}, status)
        await app(scope, receive, send)

    def _check(self, scope):
        """Return None, or a status and a sentence if the request is refused."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self._is_own(host):
            return 421, (
                f"Host should be an address or {' or '.join(sorted(self.hosts))}, but is {host!r:.60}: "
                "start the server with `--host NAME` to reach it by that name"
            )
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if scope["method"] == "POST" and (
            site not in ("none", "same-origin") or origin is not None and origin.partition("://")[2] != host
        ):
            return 403, "a page of another site sent this request: use the server's own page, or a program"

    def _is_own(self, host):
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self.hosts or bool(ipaddress.ip_address(name))
        except ValueError:
            return False
