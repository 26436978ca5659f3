"""The web application: its addresses, and what a request to each must be like. ``openapi.json`` describes it."""

import asyncio
import base64
import json
import re
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emnist.serve.workers import busy
from emnist.utils.errors import UserError
from emnist.utils.names import check_name

MAX_BYTES = 10_000_000  # in a request
MAX_HELD = 25 * MAX_BYTES  # in all requests that are being answered
BODY_SECONDS = 10  # in which a request's body must have come
PAGE, DESCRIPTION = ((Path(__file__).parent / name).read_bytes() for name in ("page.html", "openapi.json"))


def create_app(workers, drawings=None, root_path=""):
    """Build the application.

    Parameters
    ----------
    workers : emnist.serve.workers.Workers
        Which have been started.
    drawings : emnist.serve.drawings.Drawings, optional
        Where drawings are kept.
    root_path : str
        With which the addresses begin for those who ask, such as "/emnist" behind a proxy.

    Returns
    -------
    ASGI application
    """
    description = json.dumps(json.loads(DESCRIPTION) | {"servers": [{"url": root_path or "/"}]}).encode()
    app = Starlette(
        routes=[
            Route("/", static(PAGE, "text/html; charset=utf-8")),
            Route("/openapi.json", static(description, "application/json")),
            Route("/models", models),
            Route("/healthz", health),
            Route("/predict", predict, methods=["POST"]),
            Route("/read", read, methods=["POST"]),
            Route("/drawings", keep, methods=["POST"]),
        ],
        exception_handlers={
            HTTPException: refuse,
            UserError: refuse,
            ClientDisconnect: leave,
        },
    )
    app.router.redirect_slashes = False
    app.state.workers, app.state.drawings, app.state.held, app.state.keeping = workers, drawings, 0, asyncio.Lock()
    return app


def static(content, media_type):
    async def endpoint(_):
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return endpoint


async def refuse(request, error):
    if isinstance(error, UserError):
        error = HTTPException(422, str(error))
    sentence = error.detail
    if error.status_code in (404, 405):
        sentence = f"{request.method:.20} {request.url.path:.60} is not answered: /openapi.json lists what is"
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


async def leave(*_):
    return Response(status_code=499)  # nginx's code for a client that has gone; only the log shows it


# The addresses


async def models(request):
    workers, drawings = request.app.state.workers, request.app.state.drawings
    return JSONResponse(
        {"default": workers.names[0], "models": workers.networks, "drawings": drawings and kept(drawings)}
    )


async def health(request):
    return JSONResponse({"status": "ok", "waiting": request.app.state.workers.waiting})


KINDS = ("image/*", "application/json", "multipart/form-data", "application/octet-stream")


async def predict(request):
    return await answer_on_pictures(request, KINDS)


async def read(request):
    return await answer_on_pictures(request, KINDS[:3], boxes="false")


async def answer_on_pictures(request, kinds, **others):
    """Answer on the pictures in a request's body by its query, which may have `others` too, with these defaults."""
    kind = type_of(request, kinds)
    names = request.app.state.workers.names
    query = {"model": names[0], "top": "3", "characters": None, "ignore_case": "false", "min_probability": "0"} | others
    for name in request.query_params:
        check_name(name, query, "each parameter of the query")
    query |= dict(request.query_params)
    networks = list(dict.fromkeys(query["model"].split(",")))
    for network in networks:
        check_name(network, names, "model")
    if not re.fullmatch("[1-9][0-9]?", query["top"], re.ASCII):
        raise UserError(f"top should be a number from 1 to 99, but is {query['top']!r:.60}")
    if not re.fullmatch(r"0(\.[0-9]{1,9})?|1(\.0{1,9})?", query["min_probability"], re.ASCII):
        raise UserError(f"min_probability should be from 0 to 1, but is {query['min_probability']!r:.60}")
    for name in ("ignore_case", *others):
        check_name(query[name], ("true", "false"), name)
    answer = await work(
        request,
        kind=kind,
        header=request.headers["content-type"],
        models=networks,
        top=int(query["top"]),
        alphabet={
            "characters": query["characters"],
            "ignore_case": query["ignore_case"] == "true",
            "min_probability": float(query["min_probability"]),
        },
        form={name: query[name] == "true" for name in others},
    )
    return Response(answer, media_type="application/json")


async def keep(request):
    drawings = request.app.state.drawings
    if drawings is None:
        raise HTTPException(403, "drawings are not kept: start the server with `emnist serve --keep FOLDER`")
    type_of(request, ("application/json",))
    drawing = json.loads(await work(request, kind="drawing"))
    try:
        async with request.app.state.keeping:
            await asyncio.to_thread(drawings.keep, base64.b64decode(drawing["image"]), drawing["character"])
    except OSError as error:
        raise HTTPException(507, f"the drawing cannot be written ({error.strerror}): free some disk space") from None
    return JSONResponse(kept(drawings), 201)


def kept(drawings):
    return {"kept": drawings.count, "limit": drawings.LIMIT}


# A request's body


def type_of(request, types):
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    found = "image/*" if given.startswith("image/") else given
    if found not in types:
        raise HTTPException(
            415, f"Content-Type should be {' or '.join(types)}, but is {given!r:.60}: name what the body is"
        )
    return found


async def work(request, **job):
    """Let a process do a job on a request's body, unless there is no room for it; return its answer, JSON."""
    state = request.app.state
    size = int(request.headers.get("content-length", MAX_BYTES))  # a body that does not say may have the most
    if size > MAX_BYTES:
        raise too_large()
    if state.workers.is_full or state.held + size > MAX_HELD:
        raise busy()

    async def gone():
        while (await request.receive())["type"] != "http.disconnect":
            pass

    state.held += size
    try:
        return await state.workers.work(gone, await body_of(request), **job)
    finally:
        state.held -= size


async def body_of(request):
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise too_large()
    except TimeoutError:
        sentence = f"the body should come within {BODY_SECONDS} seconds, but did not: send it faster"
        raise HTTPException(408, sentence, {"Connection": "close"}) from None
    return bytes(body)


def too_large():
    return HTTPException(413, f"the body should have at most {MAX_BYTES:,} bytes, but has more: send less at once")
