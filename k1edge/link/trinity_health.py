"""How well an untimed node is heard, and what people see of it. Values only."""

from enum import StrEnum

from k1edge.link.dialect import LinkState


class Health(StrEnum):
    """How well the node is heard."""

    DISCONNECTED = "DISCONNECTED"
    OPEN_NO_RX = "OPEN_NO_RX"
    RX_STALE = "RX_STALE"
    RX_HEALTHY = "RX_HEALTHY"
    RX_MALFORMED = "RX_MALFORMED"


TOLD: dict[Health, tuple[LinkState, str | None]] = {
    Health.DISCONNECTED: (LinkState.CLOSED, "DISCONNECTED: no reply for 15 s; the port is to be reopened"),
    Health.OPEN_NO_RX: (LinkState.HANDSHAKE, "OPEN_NO_RX: no reply since the node was identified or began anew"),
    Health.RX_STALE: (LinkState.DEGRADED, "RX_STALE: no reply for 5 s; if this lasts, power-cycle the node"),
    Health.RX_HEALTHY: (LinkState.READY, None),
    Health.RX_MALFORMED: (LinkState.DEGRADED, "RX_MALFORMED: replies are no JSON; is another program on the port?"),
}
"""What people see of it."""
