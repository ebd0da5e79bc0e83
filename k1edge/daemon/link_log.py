"""What is logged of the node: what an operator wants to read later."""

import structlog

from k1edge.events import FlashReport
from k1edge.link.dialect import ClockStepped, LinkEvent, NodeIdentified, NodeReset, StateChanged

log = structlog.get_logger(__name__)


def log_link(event: LinkEvent, *, trial: bool) -> None:
    """Say it; `trial`: a flash that somebody asked for."""
    match event:
        case FlashReport():
            tell, what = (log.info, "test flash") if trial else (log.debug, "flash")
            tell(what, beat=event.beat_id, fate=event.fate.value, due_ns=event.due_ns, fired_ns=event.fired_ns, bound_us=event.bound_us)
        case StateChanged():
            log.info("node", state=event.state.value, reason=event.reason)
        case NodeIdentified():
            log.info("node identified", dialect=event.info.dialect, unique_id=event.info.unique_id, firmware=event.info.firmware)
        case NodeReset():
            log.warning("node reset", cause=event.cause)
        case ClockStepped():
            log.warning("the node's clock contradicts itself", jump_us=event.jump_us)
        case _:
            return
