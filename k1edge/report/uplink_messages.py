"""What the daemon and its hub say to each other, besides what every subscriber is told; docs/telemetry.md, section Uplink. Pure.

Both sides send MessagePack, one map in one binary frame. What a hub says is read with suspicion: small, flat, every value in its range.
"""

from typing import Annotated, Any, Literal

import msgpack
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from k1edge.report.telemetry import AlertMessage, BeatMessage, HelloMessage, TelemetryMessage

MOST_HUB_BYTES = 1024
"""Of one frame from the hub; its longest message of today is near 40."""

SLOWEST_HZ, FASTEST_HZ = 0.1, 50.0

AlertSeq = Annotated[int, Field(ge=1, lt=1 << 63)]


class UplinkHello(HelloMessage):
    """The first message of every connection.

    `stream` names one numbering of alerts, a new one with every run of the daemon. `waiting` alerts follow, the first of them `alert_seq`;
    `dropped` were given up since the daemon started because the hub was gone for too long.
    """

    stream: str
    alert_seq: AlertSeq
    waiting: Annotated[int, Field(ge=0)]
    dropped: Annotated[int, Field(ge=0)]


class UplinkAlert(AlertMessage):
    """An alert, sent until the hub acknowledges `alert_seq`, which grows by 1 with every alert of a stream."""

    alert_seq: AlertSeq


UplinkMessage = UplinkHello | TelemetryMessage | BeatMessage | UplinkAlert


class _FromHub(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Ack(_FromHub):
    """The hub has taken every alert of this stream up to and with `alert_seq`, and will not lose it."""

    type: Literal["ack"] = "ack"
    alert_seq: AlertSeq


class Want(_FromHub):
    """What the hub wants from now on. A rate above the daemon's own gives the daemon's own."""

    type: Literal["want"] = "want"
    rate_hz: Annotated[float, Field(ge=SLOWEST_HZ, le=FASTEST_HZ)]
    beats: bool = False


HubMessage = Ack | Want

_HUB: TypeAdapter[HubMessage] = TypeAdapter(Annotated[HubMessage, Field(discriminator="type")])
_UPLINK: TypeAdapter[UplinkMessage] = TypeAdapter(Annotated[UplinkMessage, Field(discriminator="type")])


def pack(message: UplinkMessage) -> bytes:
    """One message as the hub gets it."""
    packed: bytes = msgpack.packb(message.model_dump())
    return packed


def read_hub(data: bytes) -> HubMessage | None:
    """One message of the hub; None = not understood, whatever it was. Never raises."""
    try:
        words = msgpack.unpackb(data, max_map_len=16, max_array_len=0, max_ext_len=0)
        return _HUB.validate_python(words)
    except (ValueError, ValidationError, RecursionError, TypeError, msgpack.UnpackException):
        return None


def uplink_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of both directions: what the daemon sends, and under `$defs` what the hub may say (`Ack`, `Want`)."""
    schema, hub = _UPLINK.json_schema(mode="serialization"), _HUB.json_schema(mode="serialization")
    schema["$defs"] |= hub["$defs"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "k1edge uplink", **schema}
