"""The golden vectors of `firmware_bridge/vectors/`, read; what they mean is written in those files under "about"."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from k1edge.link.k1link.framing import Frame, encode
from k1edge.link.k1link.messages import MESSAGES, Beats, Hello, HelloAck, Message, WireBeat, WireReport
from k1edge.link.node.reports import NodeIdentity

FOLDER = Path(__file__).parents[2] / "firmware_bridge" / "vectors"

TYPES: dict[str, type[Message]] = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper(): kind for kind in MESSAGES.values()}
"""Messages by the names of PROTOCOL.md."""


@dataclass(frozen=True)
class FrameVector:
    """One frame or one block that is none. `message` is None where it is damaged, of an unknown type or of another major version."""

    name: str
    wire: bytes
    session: int
    seq: int
    message: Message | None
    canonical: bool
    refused: str | None
    frames: int
    bad_frames: int
    garbage_bytes: int
    node_us: int

    @property
    def taken(self) -> bool:
        """A node in this session, with this time, takes it."""
        return self.message is not None and self.message.TYPE < 0x80

    @property
    def answered(self) -> bool:
        """It answers at once."""
        if self.refused == "other_major":
            return self.wire[2] == Hello.TYPE
        return self.taken and not isinstance(self.message, Beats)


@dataclass(frozen=True)
class Step:
    """At `at_us` the node takes `received` (one burst), then fires, then sends."""

    at_us: int
    received: bytes
    sent: tuple[bytes, ...]
    flashes: tuple[tuple[int, int, int, int, int], ...]
    log: list[Any] | None


@dataclass(frozen=True)
class Exchange:
    """A node from its start."""

    name: str
    identity: NodeIdentity
    started_us: int
    announce: bool
    steps: tuple[Step, ...]


def message_of(name: str, fields: dict[str, Any]) -> Message:
    """Build a message from the fields as JSON has them."""
    slots = {"beats": WireBeat, "reports": WireReport}
    made = {key: tuple(slots[key](*slot) for slot in value) if key in slots else value for key, value in fields.items()}
    if "unique_id" in made:
        made["unique_id"] = bytes.fromhex(made["unique_id"])
    return TYPES[name](**made)


def fields_of(message: Message) -> dict[str, Any]:
    """Turn a message into fields as JSON has them."""
    return json.loads(json.dumps(asdict(message), default=bytes.hex))


def wire_of(said: str | list[Any]) -> bytes:
    """Bytes as the table says them: hex, or [message, session, seq, fields]."""
    if isinstance(said, str):
        return bytes.fromhex(said)
    name, session, seq, fields = said
    message = message_of(name, fields)
    return encode(Frame(message.TYPE, session, seq, message.encode()))


def load_frames() -> list[FrameVector]:
    """Read the frames."""
    return [_frame(said) for said in json.loads((FOLDER / "frames.json").read_text(encoding="utf-8"))["frames"]]


def load_exchanges() -> list[Exchange]:
    """Read the exchanges."""
    table = json.loads((FOLDER / "exchanges.json").read_text(encoding="utf-8"))
    return [_exchange(said, table["defaults"]) for said in table["exchanges"]]


def _frame(said: dict[str, Any]) -> FrameVector:
    message = message_of(said["message"], said["fields"]) if "fields" in said else None
    return FrameVector(
        said["name"],
        bytes.fromhex(said["wire"]),
        said.get("session", 1),
        said.get("seq", 0),
        message,
        said.get("canonical", message is not None),
        said.get("refused"),
        said.get("frames", 1),
        said.get("bad_frames", 0),
        said.get("garbage_bytes", 0),
        said.get("node_us", 1_000_000),
    )


def _exchange(said: dict[str, Any], defaults: dict[str, Any]) -> Exchange:
    node = defaults["node"] | said.get("node", {})
    own = {name: value for name, value in node.items() if name in asdict(HelloAck(0, 0, 0, b"", 0))}
    filled = defaults | {"HELLO_ACK": defaults["HELLO_ACK"] | own}
    started, announce = node.pop("started_us"), node.pop("announce")
    identity = NodeIdentity(**{**node, "unique_id": bytes.fromhex(node["unique_id"])})
    return Exchange(said["name"], identity, started, announce, tuple(_step(step, filled) for step in said["steps"]))


def _step(said: dict[str, Any], defaults: dict[str, Any]) -> Step:
    def wires(side: str) -> list[bytes]:
        return [wire_of(piece if isinstance(piece, str) else fill(*piece)) for piece in said.get(side, [])]

    def fill(name: str, session: int, seq: int, fields: dict[str, Any]) -> list[Any]:
        return [name, session, seq, defaults.get(name, {}) | fields]

    flashes = tuple(tuple(flash) for flash in said.get("flashes", []))
    return Step(said["at"], b"".join(wires("in")), tuple(wires("out")), flashes, said.get("log"))
