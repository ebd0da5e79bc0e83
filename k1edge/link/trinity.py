"""The untimed dialect: LightwaveOS v3's JSON lines, as its public firmware takes them.

The node stamps a beat when it arrives, free-runs on the last tempo for ever and flashes on its own wrap of the phase. So the host sends no
ticks; it sends, about once a beat, the phase that will be true when the line arrives, and it sends `stop` whenever there is
nothing to follow: at once on connecting too, as a crash may have left the node following a tempo of yesterday.

Why it cannot flash twice: every phase that is told lies below one half, and start means phase 0. So whatever the node's own phase had
become, and however late the line comes, its next flash is more than half a beat of the tempo told away from the moment it heard us.

Pure; owned by the port's thread.
"""

import math
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from k1edge.events import BeatPlan, ClockMap
from k1edge.link.dialect import LinkCounters, LinkEvent, LinkState, NodeIdentified, NodeInfo, NodeReset, NodeSaid, StateChanged
from k1edge.link.identify import ASK_STATUS, DRAIN_NS
from k1edge.link.lightwave import BOOT_MARKS, PHASE_STEPS, STOP, phase_line, playable_bpm, start_line
from k1edge.link.lines import KeptText, LineBuffer, json_object, printable, readable, spoken
from k1edge.link.trinity_health import TOLD, Health
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

TRANSPORT_NS = 2 * NS_PER_MS
"""From the write to the node's stamp: up to 1 ms of USB frame and about as much until its loop reads."""

LIGHT_NS = 9_300_000
"""From a wrap in the node to light: half a frame at 120 a second, and 160 LEDs at 30 us with their latch. From its source; not measured."""

CORRECT_AT, CORRECT_UNTIL = 90 / PHASE_STEPS, 0.45
"""Phases between which a correction is sent: past the wrap, and below one half (see above). The first is one that the node knows exactly."""

START_UNTIL = 0.25
"""Start is sent on a beat, which becomes the node's phase 0, or up to here after it: what follows corrects before the node can wrap wrongly."""

LINE_GAP_NS = 50 * NS_PER_MS
"""No more than 20 lines a second: the node's loop draws frames between two reads."""

REPLY_NS = NS_PER_S
"""How long the reply to start, stop or a question may take before it is sent again."""

ASK_EVERY_NS = 2 * NS_PER_S
"""Beats are not answered; only a question tells whether anybody is there."""

STALE_NS = 5 * NS_PER_S
"""Without a reply for so long the node is not trusted."""

LOST_NS = 15 * NS_PER_S
"""And for so long, the port is reopened."""

MALFORMED_AFTER = 3
"""Replies in a row that are no JSON before the link counts as malformed: one may be torn by a log line."""

MAX_KINDS = 32
"""Kinds of unknown replies kept apart; the rest count under one name."""


class _Sync(Enum):
    UNKNOWN = auto()  # whatever a crash left behind
    STOPPING = auto()
    STOPPED = auto()
    STARTING = auto()
    STARTED = auto()


@dataclass(slots=True)
class _Clockwork:
    """When things were last done, host ns."""

    now_ns: int  # the newest time we were told
    line_ns: int  # a line was sent
    sync_ns: int  # start or stop was sent
    asked_ns: int  # the question was sent
    heard_ns: int  # a reply was understood
    corrected_ns: int  # a phase was sent
    quiet_until_ns: int  # a booting node is left alone


class TrinitySession:
    """One conversation with a LightwaveOS node that has identified itself. Implements `Dialect`.

    Args:
        now: when it identified itself.
        firmware: its version, where it told.
        transport_ns: from a write to the node's stamp of it.
    """

    timed = False

    def __init__(self, now: HostTime, *, firmware: str | None = None, transport_ns: int = TRANSPORT_NS) -> None:
        self.kept = KeptText()
        self.unknown_replies: dict[str, int] = {}  # by kind
        self._ahead_ns = transport_ns + LIGHT_NS
        self._plan: BeatPlan | None = None
        self._sync = _Sync.UNKNOWN
        self._health = Health.OPEN_NO_RX
        self._refusal: str | None = None
        self._malformed_run = 0
        self._closing = self._closed = False
        self._at = _Clockwork(now, now - LINE_GAP_NS, now, now, now, now - NS_PER_S, now)
        self._lines = LineBuffer()
        self._counters = LinkCounters()
        self._told: tuple[LinkState, str | None] | None = None
        self._events: deque[LinkEvent] = deque([NodeIdentified(NodeInfo("trinity", None, firmware, None, None, None, None))])
        self._review(now)

    @property
    def health(self) -> Health:
        """How well the node is heard."""
        return self._health

    def receive_data(self, data: bytes, now: HostTime) -> None:
        """Take bytes that had arrived at `now`; never raises for what they contain."""
        self._review(now)
        for line in self._lines.feed(data):
            answer = json_object(line)
            if answer is not None:
                self._malformed_run = 0
                self._take_answer(answer)
            else:
                self._take_text(line)
        self._review(now)

    def data_to_send(self, now: HostTime) -> list[bytes]:
        """Return at most one line, for one write."""
        self._review(now)
        if self._closed or (now < self._free_ns() and not self._closing):
            return []
        line = self._next_line(now)
        if line is None:
            return []
        self._at.line_ns = now
        self._counters = replace(self._counters, frames_out=self._counters.frames_out + 1)
        return [line]

    def next_event(self) -> LinkEvent | None:
        """The oldest event not yet taken, or None."""
        return self._events.popleft() if self._events else None

    def next_deadline(self) -> HostTime | None:
        """When `data_to_send` has something to say or the node's silence changes the state; None once closed."""
        if self._closed:
            return None
        if self._closing:
            return HostTime(self._at.now_ns)
        line_ns = max(self._line_due_ns(), self._free_ns())
        silence_ns = self._at.heard_ns + (LOST_NS if self._health is Health.RX_STALE else STALE_NS)
        return HostTime(line_ns if self._health is Health.DISCONNECTED else min(line_ns, silence_ns))

    def follow(self, plan: BeatPlan | None, now: HostTime) -> None:
        """Follow the plan's tempo and phase until it expires; None = stop. A tempo the node would drop counts as None."""
        self._plan = plan
        self._review(now)

    def close(self, now: HostTime) -> None:
        """Let the next `data_to_send` return `stop` and everything after it nothing."""
        self._plan = None
        self._closing = not self._closed
        self._review(now)

    def counters(self) -> LinkCounters:
        """Totals so far; `sent` counts phases, of which the node reports nothing."""
        return self._counters

    def clock(self) -> ClockMap | None:
        """None: the dialect carries no time."""
        return None

    def _next_line(self, now: int) -> bytes | None:
        if self._closing:
            self._closing, self._closed = False, True
            return STOP
        plan = self._playable()
        if now >= self._sync_due_ns():
            return self._sync_line(plan)
        if plan is not None and self._sync is _Sync.STARTED and now >= self._correction_due_ns(plan):
            self._at.corrected_ns = now
            self._counters = replace(self._counters, sent=self._counters.sent + 1)
            return phase_line(plan.bpm, plan.timeline.phase_at(now + self._ahead_ns))
        if now >= self._at.asked_ns + ASK_EVERY_NS:
            self._at.asked_ns = now
            return ASK_STATUS
        return None

    def _sync_line(self, plan: BeatPlan | None) -> bytes:
        self._at.sync_ns = self._at.now_ns
        if plan is not None and self._sync in {_Sync.STOPPED, _Sync.STARTING}:
            self._sync = _Sync.STARTING
            return start_line(plan.bpm)
        self._sync = _Sync.STOPPING
        return STOP

    def _sync_due_ns(self) -> int:
        """When start or stop is to be sent. A start waits for the reply to the stop before it, as a reply need not name its question."""
        plan, now = self._playable(), self._at.now_ns
        if self._sync is _Sync.STARTED and plan is not None:
            return plan.valid_until_ns
        if self._sync is _Sync.STOPPED:
            return now + STALE_NS if plan is None else self._window_ns(plan, now, 0.0, START_UNTIL)
        if self._sync is _Sync.STARTING and plan is not None:
            return self._window_ns(plan, max(now, self._at.sync_ns + REPLY_NS), 0.0, START_UNTIL)
        return self._at.sync_ns + REPLY_NS if self._sync is _Sync.STOPPING else now

    def _correction_due_ns(self, plan: BeatPlan) -> int:
        """When the next phase is to be sent; not twice in one beat."""
        earliest_ns = max(self._at.now_ns, math.ceil(self._at.corrected_ns + plan.timeline.period / 2))
        return self._window_ns(plan, earliest_ns, CORRECT_AT, CORRECT_UNTIL)

    def _window_ns(self, plan: BeatPlan, earliest_ns: int, opens: float, shuts: float) -> int:
        """The first moment from `earliest_ns` on to send what shall meet the light between two phases of the beat."""
        line, free_ns = plan.timeline, max(earliest_ns, self._free_ns())
        met = free_ns + self._ahead_ns
        if opens - 1e-6 <= line.phase_at(met) <= shuts:
            return free_ns
        return math.ceil(line.time_at(math.ceil(line.beat_at(met) - opens) + opens)) - self._ahead_ns

    def _line_due_ns(self) -> int:
        due = min(self._sync_due_ns(), self._at.asked_ns + ASK_EVERY_NS)
        plan = self._playable()
        if plan is not None and self._sync is _Sync.STARTED:
            due = min(due, self._correction_due_ns(plan))
        return due

    def _free_ns(self) -> int:
        return max(self._at.line_ns + LINE_GAP_NS, self._at.quiet_until_ns)

    def _playable(self) -> BeatPlan | None:
        plan = self._plan
        return plan if plan is not None and self._at.now_ns < plan.valid_until_ns and playable_bpm(plan.bpm) else None

    def _take_answer(self, answer: dict[str, Any]) -> None:
        kind, data = answer.get("type"), answer.get("data")
        if answer.get("success") is not True or kind not in {"trinity.sync", "device.getStatus"}:
            self._count_unknown(kind if isinstance(kind, str) else "json without a type")
            if kind == "trinity.sync":
                self._refusal = "the node refused trinity.sync"
            return
        self._at.heard_ns = self._at.now_ns
        self._health = Health.RX_HEALTHY
        self._counters = replace(self._counters, frames_in=self._counters.frames_in + 1)
        if kind == "trinity.sync":
            self._take_sync_reply({**answer, **data} if isinstance(data, dict) else answer)

    def _take_sync_reply(self, reply: dict[str, Any]) -> None:
        asked = {_Sync.STARTING: "start", _Sync.STOPPING: "stop"}.get(self._sync)
        if asked is None or reply.get("action", asked) != asked:
            return  # the reply to a question that has been asked again since
        if reply.get("dispatched") is False:
            self._refusal = f"the node did not take {asked} (dispatched false); asked again every second"
            return
        self._refusal = None
        self._sync = _Sync.STARTED if asked == "start" else _Sync.STOPPED

    def _take_text(self, line: bytes) -> None:
        self.kept.add(line + b"\n")
        self._events.append(NodeSaid(spoken(line)))
        malformed = line.lstrip().startswith(b"{")
        self._malformed_run += malformed
        counters = self._counters
        self._counters = replace(counters, garbage_bytes=counters.garbage_bytes + len(line), bad_frames=counters.bad_frames + malformed)
        self._count_unknown("torn or malformed JSON" if malformed else "text")
        if any(mark in line for mark in BOOT_MARKS) and self._at.now_ns >= self._at.quiet_until_ns:
            self._take_reset(readable(line)[:80])

    def _take_reset(self, cause: str) -> None:
        self._counters = replace(self._counters, resets=self._counters.resets + 1)
        self._sync, self._health, self._refusal = _Sync.UNKNOWN, Health.OPEN_NO_RX, None
        self._at.quiet_until_ns = self._at.heard_ns = self._at.now_ns + DRAIN_NS
        self._events.append(NodeReset(cause))

    def _count_unknown(self, kind: str) -> None:
        kind = printable(kind[:48])
        if kind not in self.unknown_replies and len(self.unknown_replies) >= MAX_KINDS:
            kind = "others"
        self.unknown_replies[kind] = self.unknown_replies.get(kind, 0) + 1

    def _review(self, now: int) -> None:
        """Move on to `now`: health by silence, and the state that people see."""
        self._at.now_ns = max(self._at.now_ns, now)
        silent_ns = self._at.now_ns - self._at.heard_ns
        if silent_ns >= LOST_NS:
            self._health = Health.DISCONNECTED
        elif silent_ns >= STALE_NS:
            self._health = Health.RX_STALE
        elif self._malformed_run >= MALFORMED_AFTER:
            self._health = Health.RX_MALFORMED
        told = TOLD[self._health]
        if self._health is Health.RX_HEALTHY and self._refusal is not None:
            told = (LinkState.DEGRADED, self._refusal)
        if told != self._told:
            self._told = told
            self._events.append(StateChanged(*told))
