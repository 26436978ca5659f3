"""The web application: its addresses, and what a request to each must be like."""

import asyncio
import base64
import hashlib
import ipaddress
import json
import re
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emnist.data.convert import SIDE
from emnist.reading.network import load_network
from emnist.serve.drawings import LIMIT
from emnist.serve.workers import WORK_SECONDS, Busy, Gone, TooSlow, Workers
from emnist.utils.errors import UserError
from emnist.utils.names import check_name

MAX_BYTES = 10_000_000  # in a request
MAX_HELD = 25 * MAX_BYTES  # in all requests that are being answered
BODY_SECONDS = 10  # in which a request's body must have come
HERE = Path(__file__).parent


class BadRequest(Exception):
    """A request that is refused, with an HTTP status, a sentence and headers."""

    def __init__(self, status, sentence, headers=None):
        super().__init__(sentence)
        self.status, self.headers = status, headers


def create_app(networks, workers, drawings=None, host="localhost", on_ready=lambda: None):
    """Build the application.

    Parameters
    ----------
    networks : dict of str to str
        For each name, the name or the path by which `emnist.Reader` finds the network. The first is the default.
    workers : int
        The number of processes that read pictures.
    drawings : emnist.serve.drawings.Drawings, optional
        Where drawings are kept.
    host : str
        A name by which the server may be reached, besides localhost.
    on_ready : callable
        Called without arguments once requests are answered.

    Returns
    -------
    ASGI application

    Raises
    ------
    UserError
        If there is no such network, or its file is damaged.
    """
    endpoints = Endpoints(networks, workers, drawings)

    @asynccontextmanager
    async def lifespan(_):
        async with endpoints.workers:
            on_ready()
            yield

    page = (HERE / "page.html").read_bytes()
    routes = {
        "/": static(page, "text/html; charset=utf-8"),
        "/openapi.json": static((HERE / "openapi.json").read_bytes(), "application/json"),
        "/models": endpoints.models,
        "/healthz": endpoints.health,
        "/predict": endpoints.predict,
        "/drawings": endpoints.keep,
    }
    posted = ("/predict", "/drawings")
    app = Starlette(
        routes=[Route(path, each, methods=["POST" if path in posted else "GET"]) for path, each in routes.items()],
        exception_handlers={BadRequest: refuse, HTTPException: refuse_address, ClientDisconnect: lambda *_: Response()},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return Guard(app, {"localhost", host.lower()}, policy(page.decode()))


def static(content, media_type):
    async def endpoint(_):
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return endpoint


async def refuse(_, error):
    return JSONResponse({"error": str(error)}, error.status, error.headers)


async def refuse_address(request, error):
    sentence = f"{request.method:.20} {request.url.path:.60} is not answered: /openapi.json lists what is"
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


class Endpoints:
    """The answers, as ``openapi.json`` describes them."""

    def __init__(self, networks, workers, drawings):
        self.about = [{**load_network(source).metadata, "name": name} for name, source in networks.items()]
        self.names, self.drawings = list(networks), drawings
        self.workers, self.held, self.keeping = Workers(networks, workers), 0, asyncio.Lock()

    async def models(self, _):
        kept = self.drawings and {"kept": self.drawings.count, "limit": LIMIT}
        return JSONResponse({"default": self.names[0], "models": self.about, "drawings": kept})

    async def health(self, _):
        return JSONResponse({"status": "ok", "waiting": self.workers.waiting})

    async def predict(self, request):
        kind, models, top = picture_kind(request), self._models(request), number(request, "top", 3)
        with self._room(request):
            status, answer = await self._read(request, await body_of(request), kind=kind, models=models, top=top)
        return Response(answer, status, media_type="application/json")

    async def keep(self, request):
        if self.drawings is None:
            raise BadRequest(403, "drawings are not kept: start the server with `emnist serve --keep FOLDER`")
        if content_type(request) != "application/json":
            raise BadRequest(415, "the body should be application/json: see /openapi.json")
        with self._room(request):
            picture, character = drawing_of(await body_of(request))
            status, answer = await self._read(request, picture, kind="image", models=[], top=0)
        if status != 200:
            return Response(answer, status, media_type="application/json")
        image = np.frombuffer(base64.b64decode(json.loads(answer)["pictures"][0]["image"]), np.uint8)
        try:
            async with self.keeping:
                await asyncio.to_thread(self.drawings.keep, image.reshape(SIDE, SIDE), character)
        except UserError as error:
            raise BadRequest(422, str(error)) from None
        except OSError as error:
            raise BadRequest(507, f"the drawing cannot be written ({error.strerror}): free some disk space") from None
        return JSONResponse({"kept": self.drawings.count, "limit": LIMIT}, 201)

    def _models(self, request):
        models = request.query_params.get("model", self.names[0]).split(",")
        for model in models:
            try:
                check_name(model, self.names, "model")
            except UserError as error:
                raise BadRequest(422, str(error)) from None
        return list(dict.fromkeys(models))

    @contextmanager
    def _room(self, request):
        """Refuse a request while the server is busy, before its body is read; else count its bytes, in a ``with``."""
        size = int(request.headers.get("content-length", MAX_BYTES))  # if it does not say, it may be the most
        if size > MAX_BYTES:
            raise too_large()
        if self.workers.is_full or self.held + size > MAX_HELD:
            raise busy()
        self.held += size
        try:
            yield
        finally:
            self.held -= size

    async def _read(self, request, body, **job):
        async def leave():
            while (await request.receive())["type"] != "http.disconnect":
                pass

        try:
            return await self.workers.read(body, leave, **job)
        except Busy:
            raise busy() from None
        except Gone:
            raise ClientDisconnect from None
        except TooSlow:
            raise BadRequest(
                422,
                f"the pictures should be read within {WORK_SECONDS} seconds, but take longer: send fewer or smaller",
            ) from None


def busy():
    return BadRequest(503, "the server is busy: ask again in three seconds", {"Retry-After": "3"})


def too_large():
    return BadRequest(413, f"the body should have at most {MAX_BYTES:,} bytes, but has more: send less at once")


async def body_of(request):
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise too_large()
    except TimeoutError:
        raise BadRequest(
            408,
            f"the body should come within {BODY_SECONDS} seconds, but did not: send it faster",
            {"Connection": "close"},
        ) from None
    return bytes(body)


def content_type(request):
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def picture_kind(request):
    kinds = {"application/json": "json", "application/octet-stream": "pixels"}
    given = content_type(request)
    if given not in kinds and not given.startswith("image/"):
        raise BadRequest(
            415,
            f"Content-Type should be image/png or another image/..., application/json or application/octet-stream, "
            f"but is {given!r:.60}: name what the body is",
        )
    return kinds.get(given, "image")


def number(request, name, default):
    text = request.query_params.get(name, str(default))
    if not re.fullmatch("[1-9][0-9]?", text, re.ASCII):
        raise BadRequest(422, f"{name} should be a number from 1 to 99, but is {text!r:.60}")
    return int(text)


def drawing_of(body):
    """Return a picture's bytes and the character that it shows, of the JSON that is posted to ``/drawings``."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest(400, "the body should be JSON, but is not: see /openapi.json") from None
    try:
        return base64.b64decode(value["picture"], validate=True), value["character"]
    except (TypeError, KeyError, ValueError):
        raise BadRequest(
            400, 'the body should be {"picture": "...", "character": "A"} with the picture in base64: see /openapi.json'
        ) from None


def policy(page):
    """Allow the page its own style and script, by their hashes, and nothing else."""

    def hashes(tag):
        texts = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        return " ".join(f"'sha256-{digest}'" for digest in digests)

    return (
        f"default-src 'none'; script-src {hashes('script')}; style-src {hashes('style')}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Guard:
    """Refuses what other sites let a browser send, and adds headers that protect the page.

    A name in ``Host`` that is not the server's own may be another site's, which it lets point here (DNS rebinding); an
    address cannot be.
    """

    def __init__(self, app, hosts, policy):
        self.app, self.hosts = app, hosts
        self.headers = [
            (name.encode(), value.encode())
            for name, value in {
                "content-security-policy": policy,
                "cross-origin-opener-policy": "same-origin",
                "cross-origin-resource-policy": "same-origin",
                "referrer-policy": "no-referrer",
                "x-content-type-options": "nosniff",
            }.items()
        ]

    async def __call__(self, scope, receive, send):
        async def send_protected(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self.headers]
            await send(message)

        error = self._check(scope) if scope["type"] == "http" else None
        app = JSONResponse({"error": str(error)}, error.status) if error else self.app
        await app(scope, receive, send_protected)

    def _check(self, scope):
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self._is_own(host):
            return BadRequest(
                421, f"Host should be an address or {' or '.join(sorted(self.hosts))}, but is {host!r:.60}: "
                "start the server with `--host NAME` to reach it by that name",
            )  # fmt: skip
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if scope["method"] == "POST" and (
            site not in ("none", "same-origin") or origin is not None and origin.partition("://")[2] != host
        ):
            return BadRequest(403, "a page of another site sent this request: use the server's own page, or a program")

    def _is_own(self, host):
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self.hosts or bool(ipaddress.ip_address(name))
        except ValueError:
            return False
