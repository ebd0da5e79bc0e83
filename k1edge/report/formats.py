"""The two forms in which telemetry travels, as WebSocket frames that are the same bytes for every subscriber. Pure."""

from collections.abc import Sequence
from typing import Literal

import msgpack
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from k1edge.report.telemetry import Message

Format = Literal["msgpack", "json"]

SUBPROTOCOLS: dict[Subprotocol, Format] = {Subprotocol("k1edge.v1.msgpack"): "msgpack", Subprotocol("k1edge.v1.json"): "json"}


def choose(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The first of the offered subprotocols that we speak; none is fine."""
    return next((each for each in offered if each in SUBPROTOCOLS), None)


def framed(message: Message, form: Format) -> bytes:
    """One message as a frame of a server (unmasked): MessagePack is binary, JSON is text."""
    if form == "json":
        return Frame(Opcode.TEXT, message.model_dump_json().encode()).serialize(mask=False)
    return Frame(Opcode.BINARY, msgpack.packb(message.model_dump())).serialize(mask=False)
