"""`/`: the live page, plain files served as they are. What it shows it has from `/telemetry` and `/status`, as anybody could.

Beside the files it gets what the last minutes held, so that a page that was just opened has something to show. Owned by the event loop.
"""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from k1edge.drift.meter import Reading
from k1edge.report.page.neighbours import Neighbours
from k1edge.report.part import LanPart, Surroundings

FOLDER: Final = Path(__file__).parent

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Nothing from elsewhere, nothing inline, and no text that becomes markup: peers and nodes name themselves as they like."""

KEPT: Final = 2_000
"""Readings kept: ten minutes at 200 bpm."""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    kind: str
    tag: str


class Page(LanPart):
    """Serves the page.

    Raises:
        OSError: its files are not there.
    """

    name = "page"

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._files = {path.name: _read(path) for path in FOLDER.iterdir() if path.suffix in TYPES}
        self._readings: deque[Reading] = deque(maxlen=KEPT)  # oldest first
        self._neighbours = Neighbours()

    def routes(self) -> Sequence[BaseRoute]:
        """The page, its files, the last minutes, and the peers."""
        made = (("/", self._index), ("/page/drift.json", self._drift), ("/page/peers.json", self._peers), ("/page/{name}", self._file))
        return tuple(Route(path, answer) for path, answer in made)

    def settled(self, reading: Reading) -> None:
        """Keep what one beat came to."""
        self._readings.append(reading)

    async def _index(self, request: Request) -> Response:
        return _answer(request, self._files["index.html"])

    async def _file(self, request: Request) -> Response:
        found = self._files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return _answer(request, found)

    async def _drift(self, _: Request) -> Response:
        """`[[host ms, drift_ms], ...]`, oldest first; null = a beat that could not be compared."""
        rows = [[reading.at_ns / 1e6, reading.drift_ms] for reading in self._readings]
        return JSONResponse(rows, headers=_FRESH)

    async def _peers(self, _: Request) -> Response:
        """See `Neighbours.rows`."""
        network = self.surroundings.snapshot().network
        return JSONResponse(await self._neighbours.rows(() if network is None else network.peers), headers=_FRESH)


_FRESH = {"cache-control": "no-store"}


def _read(path: Path) -> _File:
    body = path.read_bytes()
    return _File(body, TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:16]}"')


def _answer(request: Request, file: _File) -> Response:
    """Kept by browsers, and asked after each time: an upgraded daemon's page is never half an old one."""
    headers = {"etag": file.tag, "cache-control": "no-cache", "content-security-policy": POLICY}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if file.tag in known or "*" in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(file.body, headers={**headers, "content-type": file.kind, "cross-origin-resource-policy": "same-origin"})
