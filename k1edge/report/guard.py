"""Who may read on the LAN, and how: GET and HEAD, no body, the right name, the right origin, the token where one is set.

| check  | against                                                                                                        |
|--------|----------------------------------------------------------------------------------------------------------------|
| host   | DNS rebinding: a web page elsewhere that points its own name at us. Addresses and names of a LAN pass           |
| origin | web pages of other sites: only our own page and those of `network.origins` may read, over WebSocket as well    |
| token  | everybody else, where `network.token` is set: `Authorization: Bearer`, or as the password of Basic (any user),  |
|        | which every browser asks for; `?token=` counts for a WebSocket only, for scripts there can't set headers         |

Pure: `judge` is told all it needs. What it answers strangers is terse.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)

LAN_SUFFIXES = (".local", ".localhost", ".lan", ".home", ".home.arpa", ".internal", ".localdomain", ".test")
"""Ends of names that nobody can register in the public DNS, so no stranger's page can carry one."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not.

    Attributes:
        status: of HTTP.
        detail: one line for the asker.
        headers: to go with it.
    """

    status: HTTPStatus
    detail: str
    headers: Mapping[str, str]

    def response(self) -> Response:
        """As a problem in JSON (RFC 9457)."""
        body = {"type": "about:blank", "title": self.status.phrase, "status": int(self.status), "detail": self.detail}
        headers = {"connection": "close", "cache-control": "no-store", **self.headers}
        return Response(json.dumps(body), self.status, headers, "application/problem+json")


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules in force; frozen, so a reload makes a new one.

    Attributes:
        token: what has to be shown; empty = nothing.
        origins: besides our own; "*" = any.
    """

    token: str = ""
    origins: tuple[str, ...] = ()

    def judge(self, headers: Mapping[str, str], scheme: str, query: str = "") -> Refusal | None:
        """None = may pass.

        Args:
            headers: lower-case names; several of one name joined by commas, which then fit nothing.
            scheme: http, https, ws or wss.
            query: of a WebSocket's URL; leave it empty for anything else.
        """
        host = headers.get("host", "")
        if not self._is_ours(host):
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "not a name of this host; add http://NAME to network.origins", {})
        origin = headers.get("origin")
        if origin is not None and not self._may_read(origin, host, scheme):
            return Refusal(HTTPStatus.FORBIDDEN, "this origin may not read here", {})
        if self.token and not self._knows_token(headers.get("authorization", ""), query):
            # Basic first: Chromium looks at the first scheme of a line, and asks its user for nothing it does not know
            challenge = {"www-authenticate": 'Basic realm="k1edge", charset="UTF-8", Bearer realm="k1edge"'}
            return Refusal(HTTPStatus.UNAUTHORIZED, "a token is needed", challenge)
        return None

    def allowed_origin(self, headers: Mapping[str, str]) -> str | None:
        """Return the foreign origin that a browser has to be told it may read; None where there is none."""
        origin = headers.get("origin")
        return origin if origin is not None and (origin in self.origins or "*" in self.origins) else None

    def _is_ours(self, host: str) -> bool:
        name = (urlsplit(f"//{host}").hostname or "") if _splits(f"//{host}") and "," not in host else ""
        if not name or _is_address(name) or "." not in name or name.endswith(LAN_SUFFIXES):
            return bool(name)
        return any(urlsplit(origin).hostname == name for origin in self.origins if _splits(origin))

    def _may_read(self, origin: str, host: str, scheme: str) -> bool:
        ours = ("https://" if scheme in {"https", "wss"} else "http://") + host
        return origin == ours or origin in self.origins or "*" in self.origins

    def _knows_token(self, authorization: str, query: str) -> bool:
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() == "basic":
            shown = _basic_password(shown)
        elif scheme.lower() != "bearer":
            shown = parse_qs(query).get("token", [""])[0] if len(query) <= 1024 else ""
        return hmac.compare_digest(shown.strip().encode("utf-8", "replace"), self.token.encode())


class GuardedApp:
    """An application behind a guard.

    Args:
        app: what answers those who may pass.
        guard: the rules; may be exchanged while running.
    """

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.app = app
        self.guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        foreign = self.guard.allowed_origin(headers)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                cross = [] if foreign is None else [(b"access-control-allow-origin", foreign.encode("latin-1")), (b"vary", b"Origin")]
                message["headers"] = [*message["headers"], *SAFE_HEADERS, *cross]
            await send(message)

        if foreign is not None and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _PREFLIGHT(scope, receive, send_safely)
            return
        refusal = _not_reading(scope["method"], headers) or self.guard.judge(headers, scope["scheme"])
        await (self.app if refusal is None else refusal.response())(scope, receive, send_safely)


_PREFLIGHT = Response(
    status_code=HTTPStatus.NO_CONTENT,
    headers={
        "access-control-allow-methods": "GET, HEAD",
        "access-control-allow-headers": "Authorization",
        "access-control-max-age": "600",
    },
)


def _not_reading(method: str, headers: Mapping[str, str]) -> Refusal | None:
    if method not in {"GET", "HEAD"}:
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "reading only", {"allow": "GET, HEAD"})
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no body is taken", {})
    return None


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name; those that come twice are joined by commas."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def _basic_password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _splits(url: str) -> bool:
    try:
        return urlsplit(url).hostname is not None
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
