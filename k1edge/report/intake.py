"""What is taken of a stranger's telemetry: bytes in, a checked message out. Pure.

Everything in it was said by somebody on the LAN. A frame is bounded before it comes here; in here it either becomes a message of the schema
or a `PeerError`, and nothing else. Fields that we do not know are ignored, as docs/telemetry.md asks, but kept in `Received.content`.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgpack
from pydantic import ValidationError

from k1edge.errors import PeerError
from k1edge.report.peer_table import plain
from k1edge.report.telemetry import MESSAGES, Message

MOST_FRAME_BYTES = 64 * 1024
"""Ours are some 2 KB."""

MOST_DEPTH = 8
"""Ours is 5 deep."""

MOST_ITEMS = 64
MOST_TEXT = 500

_MOST_SIZE = 1 << 64
"""Of JSON, which has no bounds of its own."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message.

    Attributes:
        message: what we know of it.
        content: all of it, as it came; `harmless` makes it fit to be written down.
    """

    message: Message
    content: dict[str, Any]


def unpack(frame: bytes) -> Received:
    """Take one MessagePack message of at most `MOST_FRAME_BYTES`.

    Raises:
        PeerError: it is none of ours; the message says why, fit for a terminal.
    """
    try:
        content = msgpack.unpackb(frame)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        msg = f"no MessagePack: {plain(str(error)) or type(error).__name__}"
        raise PeerError(msg) from error
    return understand(content)


def understand(content: object) -> Received:
    """Take a message that was decoded already; errors as `unpack`."""
    if not isinstance(content, dict):
        msg = f"no message: a {type(content).__name__}"
        raise PeerError(msg)
    try:
        return Received(MESSAGES.validate_python(content, extra="ignore"), content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        msg = f"no message of version 1: {plain('.'.join(map(str, first['loc'])))}: {plain(first['msg'])}"
        raise PeerError(msg) from error


def harmless(value: object, depth: int = MOST_DEPTH) -> Any:
    """`value` within bounds and as JSON has it: what is too deep, too much or no JSON is left out or null, long texts are cut."""
    match value:
        case list() | tuple() if depth:
            return [harmless(each, depth - 1) for each in value[:MOST_ITEMS]]
        case dict() if depth:
            return {key[:MOST_TEXT]: harmless(value[key], depth - 1) for key in islice(value, MOST_ITEMS) if isinstance(key, str)}
        case str():
            return value[:MOST_TEXT]
        case bool() | int() | float() if abs(value) <= _MOST_SIZE:  # no infinity, no NaN
            return value
    return None
