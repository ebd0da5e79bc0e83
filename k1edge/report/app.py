"""The routes of the status socket and of the LAN. Reading only; what else the socket alone answers is in `node_routes`."""

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from k1edge.snapshot import Snapshot

Hidden = dict[str, set[str]]

STRANGERS_HIDDEN: Hidden = {"node": {"port", "firmware", "kept_text"}, "process": {"pid"}}
"""What the LAN is not told unless it shows a token: versions of the node, its boot text, and how this host is built."""


def build_app(
    snapshot: Callable[[], Snapshot], routes: Sequence[BaseRoute] = (), hidden: Callable[[], Hidden | None] = lambda: None
) -> Starlette:
    """Build the application.

    GET /status answers the snapshot; GET /healthz 200 while all is well and 503 otherwise, with the reasons. Everything else is a
    problem in JSON (RFC 9457).

    Args:
        snapshot: the picture now; called on the event loop, so it must be quick.
        routes: what else there is to read.
        hidden: fields of the snapshot that /status leaves out now.
    """

    async def status(_: Request) -> Response:
        return Response(snapshot().model_dump_json(exclude=hidden()), media_type="application/json", headers=_FRESH)

    async def healthz(_: Request) -> Response:
        now = snapshot()
        well = now.state == "running"
        body = {"ok": well, "state": now.state, "reasons": list(now.reasons)}
        return JSONResponse(body, HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, headers=_FRESH)

    app = Starlette(
        routes=[Route("/status", status), Route("/healthz", healthz), *routes],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    app.router.redirect_slashes = False
    return app


_FRESH = {"cache-control": "no-store"}


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = {
        HTTPStatus.NOT_FOUND: f"no {request.url.path[:200]} here; there are {' and '.join(route.path for route in request.app.routes)}",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method[:20]} is not allowed here; use {', '.join(sorted((error.headers or {}).get('Allow', 'GET').split(', ')))}",
    }.get(HTTPStatus(error.status_code), error.detail)
    if error.detail != HTTPStatus(error.status_code).phrase:
        detail = error.detail  # a route's own words
    return _problem(error.status_code, detail, dict(error.headers or {}))


async def _failed(_: Request, error: Exception) -> Response:
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}; the log tells more", {})


def _problem(status: int, detail: str, headers: dict[str, str]) -> Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(json.dumps(body), status, headers, "application/problem+json")
