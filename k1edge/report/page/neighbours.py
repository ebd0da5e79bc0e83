"""How the peers on the LAN do, asked for the page: a browser may not read from them, for they let in no page but their own.

Asked only while a page asks, each peer at most once per `ANEW_S` however many pages there are. A peer is a stranger: what it may take of time
and memory is bounded, it is shown no token, and of its answer only the fields below are believed to be what they say. Owned by the event loop.
"""

import asyncio
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from k1edge.events import Severity
from k1edge.snapshot import PeerStatus

ANEW_S: Final = 4.0
ANSWER_S: Final = 2.0
MOST_BYTES: Final = 64 * 1024
AT_ONCE: Final = 8

_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Beat(BaseModel):
    lock: Literal["unlocked", "locking", "locked", "holding"]
    bpm: Annotated[_Finite, Field(ge=0, le=1000)] | None


class _Drift(BaseModel):
    severity: Severity | None
    drift_ms: Annotated[_Finite, Field(ge=-10_000, le=10_000)] | None


class _Told(BaseModel):
    """What is taken out of a peer's /status."""

    state: Literal["starting", "running", "degraded", "stopping"]
    beat: _Beat
    drift: _Drift


class Neighbours:
    """The peers' answers, each as old as `ANEW_S` at most."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._asked_s = -ANEW_S
        self._asking = asyncio.Lock()
        self._few = asyncio.Semaphore(AT_ONCE)

    async def rows(self, peers: Sequence[PeerStatus]) -> list[dict[str, Any]]:
        """One object for each peer: name, page, and either what it told or why it told nothing."""
        async with self._asking:
            if time.monotonic() - self._asked_s >= ANEW_S:
                self._rows = list(await asyncio.gather(*(self._row(peer) for peer in peers)))
                self._asked_s = time.monotonic()
        return self._rows

    async def _row(self, peer: PeerStatus) -> dict[str, Any]:
        row: dict[str, Any] = {"name": peer.name, "page": page_of(peer), "told": None, "why": None}
        if peer.tls:
            return row | {"why": "speaks TLS; its own page tells"}
        async with self._few:
            for address in peer.addresses[:2]:
                try:
                    async with asyncio.timeout(ANSWER_S):
                        status, body = await _get(address, peer.port)
                    if status == HTTPStatus.UNAUTHORIZED:
                        return row | {"why": "wants a token; its own page asks for it"}
                    if status == HTTPStatus.OK:
                        return row | {"told": _Told.model_validate_json(body).model_dump(mode="json")}
                except (OSError, TimeoutError, ValueError):  # a ValidationError is a ValueError
                    continue
        return row | {"why": "does not answer as a k1edge does"}


def page_of(peer: PeerStatus) -> str:
    """Where its own page is. A zone means nothing to a browser on another host, so it is left out."""
    host = peer.addresses[0].partition("%")[0]
    return f"http{'s' if peer.tls else ''}://{f'[{host}]' if ':' in host else host}:{peer.port}/"


async def _get(address: str, port: int) -> tuple[int, bytes]:
    """Status code and body of `GET /status`; the answer ends with the connection (HTTP/1.0), so there is nothing to parse.

    Raises:
        OSError: nobody is there.
        ValueError: what is there speaks no HTTP, or without end.
    """
    reader, writer = await asyncio.open_connection(address, port, limit=MOST_BYTES)
    try:
        host = f"[{address.partition('%')[0]}]" if ":" in address else address
        writer.write(f"GET /status HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = b""
        while chunk := await reader.read(MOST_BYTES):
            answer += chunk
            if len(answer) > MOST_BYTES:
                msg = "an answer without end"
                raise ValueError(msg)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.") and head.count(b" ") else 0, body
