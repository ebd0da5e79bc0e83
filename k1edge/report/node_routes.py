"""What may be asked of the node, on the Unix socket alone: its journal, and test flashes.

| route                  | answers                                                                                              |
|------------------------|------------------------------------------------------------------------------------------------------|
| GET /node/log?after=N  | {"entries": [{number, wall_time, kind, level, text}]}, those after number N                           |
| POST /node/flash       | takes {first_ns, count, period_ns}, host clock; 202, or a problem: 400, 403, 409 (not ready, or busy) |
| GET /node/flash        | {"over", "flashes": [{due_ns, timing, fate, fired_ns, error_us, bound_us}]} of the newest order       |

What an order (POST) has to be: `order`.
"""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from k1edge.errors import PeerError
from k1edge.link.trial import FARTHEST_NS, MOST, SOONEST_NS
from k1edge.report.order import FRESH, Order, order_of
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime


class NodeDesk(Protocol):
    """Who answers; called on the event loop."""

    def log(self, after: int, now: HostTime) -> list[dict[str, object]]:
        """The journal after that number."""
        ...

    def flash(self, first_ns: HostTime, count: int, period_ns: int, now: HostTime) -> None:
        """Begin a trial; PeerError where that can't be."""
        ...

    def flashes(self, now: HostTime) -> dict[str, object]:
        """The newest trial."""
        ...


class FlashOrder(Order):
    """The body of POST /node/flash."""

    first_ns: int
    count: int = Field(1, ge=1, le=MOST)
    period_ns: int = Field(500 * NS_PER_MS, ge=200 * NS_PER_MS, le=2 * NS_PER_S)


def node_routes(desk: Callable[[], NodeDesk | None]) -> list[Route]:
    """Build the routes.

    Args:
        desk: who answers now; None where there is no node.
    """

    def answering() -> NodeDesk:
        found = desk()
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, 'no node: node.port is "off"')
        return found

    async def log(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not after.isascii() or not after.isdigit() or len(after) > 18:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "after is a number of an entry")
        return JSONResponse({"entries": answering().log(int(after), _now())}, headers=FRESH)

    async def flash(request: Request) -> Response:
        if request.method != "POST":
            return JSONResponse(answering().flashes(_now()), headers=FRESH)
        order = _in_reach(await order_of(request, FlashOrder), _now())
        try:
            answering().flash(HostTime(order.first_ns), order.count, order.period_ns, _now())
        except PeerError as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error
        return JSONResponse({"ok": True}, HTTPStatus.ACCEPTED, headers=FRESH)

    return [Route("/node/log", log), Route("/node/flash", flash, methods=["GET", "POST"])]


def _now() -> HostTime:
    return HostTime(time.monotonic_ns())


def _in_reach(order: FlashOrder, now: HostTime) -> FlashOrder:
    if not now + SOONEST_NS <= order.first_ns <= now + FARTHEST_NS:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "first_ns must be 0.15 s to 10 minutes ahead, on CLOCK_MONOTONIC")
    return order
