"""A node on a serial port: one thread that finds, opens, talks, and begins again for ever.

| thread            | owns                                                                                     |
|-------------------|------------------------------------------------------------------------------------------|
| `k1-node` (ours)  | the wire, the session, the back-off; writes `_status` and calls `on_event`, `on_failure`  |
| any other         | hands over a plan (`follow`, the latest wins), reads `status()`, calls `start` and `close` |

A pipe wakes the thread at once for a new plan; the port is looked at every few ms in any case (`device.ACM_LOOK_NS` says why). `time.monotonic_ns()` is read right after each read and right before each write.
"""

import os
import random
import secrets
import select
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from k1edge.events import BeatPlan
from k1edge.link.address import Found, SerialDevice, find, wrong_board
from k1edge.link.backoff import Backoff
from k1edge.link.conversation import Conversation
from k1edge.link.device import GONE, Wire, cure, list_ports
from k1edge.link.dialect import LinkCounters, LinkEvent, LinkState, NodeIdentified, NodeInfo, NodeReset, NodeSaid, StateChanged
from k1edge.link.journal import Journal, Kind
from k1edge.link.port_status import NodePort, PortStatus, tally, total
from k1edge.link.session import NodeSession
from k1edge.timebase import NS_PER_MS, HostTime

__all__ = ["NodePort", "PortStatus", "SerialDevice", "SerialNode", "list_ports"]

PUBLISH_NS = 100 * NS_PER_MS
"""Counters and clock are published this often, a change of state at once."""

WARNING = 4
"""As syslog counts: what a node logs from here on is in our log, too."""

_HANG_UP = {LinkState.CLOSED, LinkState.UNRECOGNISED, LinkState.INCOMPATIBLE}
"""States in which a session has nothing more to say: the port is closed and tried again later."""

_log = structlog.get_logger(__name__)


class SerialNode:
    """The node's port.

    Args:
        where: which device.
        on_event: called in the node's thread with each event; must return soon.
        on_failure: called in the node's thread with the exception that ended it, our bug; `start` begins anew.
        scan: lists the devices of this host.
        open_wire: opens a path.
    """

    def __init__(
        self,
        where: NodePort,
        on_event: Callable[[LinkEvent], None],
        on_failure: Callable[[BaseException], None] | None = None,
        *,
        scan: Callable[[], Sequence[SerialDevice]] = list_ports,
        open_wire: Callable[[str, int], Wire] = Wire,
    ) -> None:
        self.failure: BaseException | None = None
        self.journal = Journal()
        self._where = where
        self._on_event = on_event
        self._on_failure = on_failure
        self._scan = scan
        self._open_wire = open_wire
        self._status = PortStatus(where.port)
        self._plan: BeatPlan | None = None
        self._closing = False
        self._thread: threading.Thread | None = None
        self._met_serial: str | None = None
        self._opened = 0
        self._ended_counters = LinkCounters()  # of the conversations before this one
        self._ended_dropped = 0
        self._ended_unknown: tuple[tuple[str, int], ...] = ()
        self._ended_text = ""  # what a node said before it vanished tells why
        self._published_ns = 0
        self._trouble: str | None = None  # why the last conversation ended; told while the next one begins
        self._backoff = Backoff(random.SystemRandom(), where.first_pause_ns, where.last_pause_ns)
        self._wake_lock = threading.Lock()  # the pipe's ends may be closed while another thread wakes us
        self._wake_pipe: tuple[int, int] | None = None

    def start(self) -> None:
        """Begin, or begin anew after a failure; nothing where the thread is alive."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._closing, self.failure = False, None
        with self._wake_lock:
            if self._wake_pipe is None:
                self._wake_pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="k1-node", daemon=True)
        self._thread.start()

    def follow(self, plan: BeatPlan | None) -> None:
        """Play this from now on; None = dark. Any thread; the latest wins."""
        self._plan = plan
        self._wake()

    def status(self) -> PortStatus:
        """The newest picture; any thread."""
        return self._status

    def close(self, timeout_s: float = 2.0) -> bool:
        """Release the node and end the thread; any other thread. Returns whether it ended in time."""
        self._closing = True
        self._wake()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                return False
        with self._wake_lock:
            pipe, self._wake_pipe = self._wake_pipe, None
        for end in pipe or ():
            os.close(end)
        return True

    def _wake(self) -> None:
        with self._wake_lock:
            if self._wake_pipe is not None:
                try:
                    os.write(self._wake_pipe[1], b"\0")
                except BlockingIOError:
                    return  # the pipe is full: it will wake

    def _run(self) -> None:
        try:
            while not self._closing:
                self._pause(self._once())
            self._tell(LinkState.CLOSED, "closed by k1edge")
        except BaseException as error:  # noqa: BLE001 - kept and reported: nothing of this thread may vanish
            self.failure = error
            _log.exception("node thread failed", port=self._where.port)
            self._status = replace(self._status, state=LinkState.CLOSED, reason=f"internal error: {error!r}")
            if self._on_failure is not None:
                self._on_failure(error)

    def _once(self) -> int:
        """Find, open, talk until it ends; return the pause before the next try, in ns."""
        where = self._where
        found = find(where.port, self._scan(), unique_id=where.unique_id, met_serial=self._met_serial, attempt=self._backoff.tries)
        if found.path is None:
            self._tell(LinkState.CLOSED, found.reason)
            return self._backoff.next_ns()
        try:
            wire = self._open_wire(found.path, where.baud)
        except GONE as error:
            self._status = replace(self._status, path=found.path)
            self._tell(LinkState.CLOSED, cure(error, found.path))
            return self._backoff.next_ns()
        self._opened += 1
        now = HostTime(time.monotonic_ns())
        talk = Conversation(wire, NodeSession(now, nonce=secrets.randbits(32), tuning=where.tuning, host_name=where.host_name))
        try:
            self._converse(talk, found)
        except GONE as error:
            self._tell(LinkState.CLOSED, cure(error, found.path))
        finally:
            self._end(talk)
        return self._backoff.next_ns(slow=self._status.state in {LinkState.UNRECOGNISED, LinkState.INCOMPATIBLE})

    def _converse(self, talk: Conversation, found: Found) -> None:
        self._status = replace(self._status, path=found.path, reopened=self._opened - 1, timed=None, clock=None)
        plan: BeatPlan | None = None
        while not self._closing:
            if self._plan is not plan:
                plan = self._plan
                talk.follow(plan)
            talk.write()
            if self._take_events(talk, found):
                return
            self._publish(talk, PUBLISH_NS)
            self._drain_wakes(talk.listen(self._wake_end()))
        talk.release()

    def _take_events(self, talk: Conversation, found: Found) -> bool:
        """Pass the session's events on; True = hang up."""
        while (event := talk.session.next_event()) is not None:
            if isinstance(event, StateChanged):
                if event.state is LinkState.READY:
                    self._backoff.reset()
                    self._met_serial = found.serial
                trying = event.state is LinkState.IDENTIFYING and self._trouble is not None
                self._publish(talk, 0)
                self._tell(event.state, f"trying again; before: {self._trouble}" if trying else event.reason)
                if event.state in _HANG_UP:
                    return True
                continue
            if isinstance(event, NodeSaid):
                self._hear(event)
                continue
            if isinstance(event, NodeReset):
                self._note(Kind.RESET, event.cause)
            if isinstance(event, NodeIdentified):
                refusal = wrong_board(event.info.unique_id or found.serial, self._where.unique_id)
                if refusal is not None:
                    self._tell(LinkState.UNRECOGNISED, refusal)
                    return True
                self._status = replace(self._status, info=event.info)
                self._note(Kind.STATE, _identified(event.info))
            self._on_event(event)
        return False

    def _end(self, talk: Conversation) -> None:
        """Settle the beats of a conversation that is over, and close."""
        try:
            talk.settle()
            while (event := talk.session.next_event()) is not None:
                if isinstance(event, NodeSaid):
                    self._hear(event)
                elif not isinstance(event, StateChanged | NodeIdentified):
                    self._on_event(event)
            now = talk.session.counters()
            self._ended_counters = total(self._ended_counters, replace(now, missed=now.missed + now.pending, pending=0))
            self._ended_dropped += talk.wire.dropped
            self._ended_text = talk.session.kept_text() or self._ended_text
            self._ended_unknown = tally(self._ended_unknown, talk.session.unknown_replies().items())
            self._status = replace(
                self._status,
                counters=self._ended_counters,
                clock=None,
                kept_text=self._ended_text,
                unknown_replies=self._ended_unknown,
                dropped=self._ended_dropped,
            )
        finally:
            talk.wire.close()

    def _publish(self, talk: Conversation, every_ns: int) -> None:
        now = time.monotonic_ns()
        if now - self._published_ns < every_ns:
            return
        self._published_ns = now
        session, before = talk.session, self._status
        unknown = tally(self._ended_unknown, session.unknown_replies().items())
        for kind, count in unknown[len(before.unknown_replies) :]:
            _log.warning("unknown reply", port=talk.wire.path, kind=kind, count=count)  # once per kind
            self._note(Kind.UNKNOWN, kind)
        self._status = replace(
            before,
            counters=total(self._ended_counters, session.counters()),
            clock=session.clock(),
            timed=session.timed if before.info is not None else None,
            kept_text=session.kept_text() or self._ended_text,
            unknown_replies=unknown,
            dropped=self._ended_dropped + talk.wire.dropped,
        )

    def _tell(self, state: LinkState, reason: str | None) -> None:
        if state in _HANG_UP:
            self._trouble = reason
        elif state is LinkState.READY:
            self._trouble = None
        if (state, reason) != (self._status.state, self._status.reason):
            self._status = replace(self._status, state=state, reason=reason)
            self._note(Kind.STATE, f"{state}: {reason}" if reason else state.value)
            self._on_event(StateChanged(state, reason))

    def _hear(self, said: NodeSaid) -> None:
        if said.text:
            self._note(Kind.TEXT if said.level is None else Kind.LOG, said.text, said.level)
            if said.level is not None and said.level <= WARNING:
                _log.warning("the node says", port=self._where.port, text=said.text, level=said.level)

    def _note(self, kind: Kind, text: str, level: int | None = None) -> None:
        self.journal.add(HostTime(time.monotonic_ns()), kind, text, level)

    def _pause(self, pause_ns: int) -> None:
        until_ns = time.monotonic_ns() + pause_ns
        poll = select.poll()
        poll.register(self._wake_end(), select.POLLIN)
        while not self._closing and (left_ns := until_ns - time.monotonic_ns()) > 0:
            self._drain_wakes(bool(poll.poll(left_ns / NS_PER_MS)))

    def _wake_end(self) -> int:
        pipe = self._wake_pipe
        assert pipe is not None, "close() waits for the thread before it closes the pipe"  # noqa: S101 - our own bug otherwise
        return pipe[0]

    def _drain_wakes(self, woken: bool) -> None:
        if woken:
            os.read(self._wake_end(), 4_096)


def _identified(info: NodeInfo) -> str:
    """Who answered, in one line."""
    parts = (
        info.dialect,
        info.firmware,
        info.unique_id and f"id {info.unique_id}",
        info.reset_reason and f"started by {info.reset_reason}",
    )
    return "identified: " + ", ".join(part for part in parts if part)
