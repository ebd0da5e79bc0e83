"""What people may say of tempo and beat, on the Unix socket alone.

| route                | takes           | does                                                                                            |
|----------------------|-----------------|-------------------------------------------------------------------------------------------------|
| GET /tempo           |                 | nothing; answers what holds, as `tempo` in /status                                              |
| POST /tempo/half     |                 | half the tempo; every other beat stays                                                          |
| POST /tempo/double   |                 | twice the tempo; a beat comes between                                                           |
| POST /tempo/set      | {"bpm": 30-300} | this tempo, within 8 %                                                                          |
| POST /tempo/tap      | {"at_ns"}       | a beat is heard at `at_ns`, host clock, within the last 2 s; without it, on arrival. Four are a tempo |
| POST /tempo/nudge    | {"ms": +-500}   | beats are shown so much later, - = earlier, than now                                            |
| POST /tempo/downbeat |                 | the beat nearest to now is a bar's first                                                        |
| POST /tempo/lock     |                 | tempo and place of the beat as they are                                                         |
| POST /tempo/auto     |                 | everything by itself again                                                                      |

Each answers 202 and {"bpm", "tempo": what holds from now on}, `bpm` being the tempo that was asked for, null where none was; or a problem: 400, 403,
409 (the word can't be followed now: says why, and what to do). What an order has to be: `order`. How long a word holds: `beat.manual`.
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
from k1edge.held import TempoStatus, Word
from k1edge.report.order import FRESH, Order, order_of
from k1edge.timebase import NS_PER_S, HostTime

OLDEST_TAP_NS = 2 * NS_PER_S
"""A tap told later than this was on its way for longer than from one beat to the next."""


class TempoHelm(Protocol):
    """Who follows; called on the event loop. Each word returns the tempo asked for, and raises PeerError where it can't be followed."""

    def say(self, word: Word, now: HostTime) -> float | None:
        """Follow a word."""
        ...

    def set_to(self, bpm: float, now: HostTime) -> float | None:
        """Follow this tempo."""
        ...

    def tap(self, at: HostTime, now: HostTime) -> float | None:
        """Take a tap; None while more are needed."""
        ...

    def nudge(self, ms: float) -> float | None:
        """Show beats later."""
        ...

    def status(self) -> TempoStatus:
        """What holds."""
        ...


class Plain(Order):
    """The body of a word without a figure."""


class Named(Order):
    """The body of POST /tempo/set."""

    bpm: float = Field(ge=30, le=300)


class Tap(Order):
    """The body of POST /tempo/tap."""

    at_ns: int | None = None


class Nudge(Order):
    """The body of POST /tempo/nudge."""

    ms: float = Field(ge=-500, le=500)


def tempo_routes(helm: TempoHelm) -> list[Route]:
    """Build the routes."""

    async def told(_: Request) -> Response:
        return JSONResponse(helm.status().model_dump(), headers=FRESH)

    async def plain(request: Request) -> Response:
        word = Word(request.url.path.rpartition("/")[2])
        await order_of(request, Plain)
        return followed(lambda: helm.say(word, _now()))

    async def named(request: Request) -> Response:
        order = await order_of(request, Named)
        return followed(lambda: helm.set_to(order.bpm, _now()))

    async def tap(request: Request) -> Response:
        arrived = _now()
        at = (await order_of(request, Tap)).at_ns
        if at is not None and not arrived - OLDEST_TAP_NS <= at <= _now():
            raise HTTPException(HTTPStatus.BAD_REQUEST, "at_ns must lie within the last 2 s, on CLOCK_MONOTONIC")
        return followed(lambda: helm.tap(arrived if at is None else HostTime(at), _now()))

    async def nudge(request: Request) -> Response:
        order = await order_of(request, Nudge)
        return followed(lambda: helm.nudge(order.ms))

    def followed(act: Callable[[], float | None]) -> Response:
        try:
            bpm = act()
        except PeerError as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error
        return JSONResponse({"bpm": bpm, "tempo": helm.status().model_dump()}, HTTPStatus.ACCEPTED, headers=FRESH)

    posted = [(f"/tempo/{word}", plain) for word in Word] + [("/tempo/set", named), ("/tempo/tap", tap), ("/tempo/nudge", nudge)]
    return [Route("/tempo", told), *(Route(path, answer, methods=["POST"]) for path, answer in posted)]


def _now() -> HostTime:
    return HostTime(time.monotonic_ns())
