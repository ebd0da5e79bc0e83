"""The node as the host knows it: its sessions, and what each of its messages brings about. The states are those of `session`.

Pure; owned by the thread that owns the dialect.
"""

from collections import deque

from k1edge.link.dialect import (
    ClockStepped,
    ClockUpdated,
    LinkEvent,
    LinkState,
    NodeIdentified,
    NodeInfo,
    NodeReset,
    NodeSaid,
    StateChanged,
)
from k1edge.link.k1link.beats import BeatLedger
from k1edge.link.k1link.channel import Channel
from k1edge.link.k1link.clocksync import TRUSTED_PINGS
from k1edge.link.k1link.clockwatch import Answer, ClockWatch
from k1edge.link.k1link.delivery import StopAndWait
from k1edge.link.k1link.framing import Frame
from k1edge.link.k1link.messages import (
    CAP_CLOCK_32,
    MAJOR,
    MESSAGES,
    MINOR,
    Ack,
    AckResult,
    Blackout,
    Config,
    Fate,
    Fired,
    Hello,
    HelloAck,
    Log,
    Message,
    OtherMajor,
    Pong,
    Refusal,
    ResetReason,
    Stats,
    WireReport,
)
from k1edge.link.lines import printable
from k1edge.link.rates import RateMemory
from k1edge.timebase import NS_PER_S, HostTime

READY_PINGS = 16
"""Answers before beats are sent: half a burst, so that a lossy line is no hindrance."""

UNSTEADY = 3
"""Steps in a row that make a clock unsteady."""

CALM_NS = 10 * NS_PER_S
"""Without a step for this long, the steps before are forgotten."""

NONCE_STEP = 0x9E3779B1
"""Odd, so that the nonces of one port repeat after 2**32 sessions only."""

WARNING = 4
"""As syslog counts."""

LIVES_KEPT = 8
EVENTS_CAP = 1024
LOGS_KEPT = 20

DEAD = frozenset({LinkState.CLOSED, LinkState.INCOMPATIBLE})
MET = frozenset({LinkState.SYNCING, LinkState.READY, LinkState.DEGRADED})


class K1Peer:
    """One node on one open port; see `session.K1LinkSession` for the arguments."""

    def __init__(self, now: HostTime, nonce: int, session_id: int | None, host_name: str, config: Config | None, rates: RateMemory) -> None:
        self.state = LinkState.HANDSHAKE  # see the table in `session`
        self.node: HelloAck | None = None  # who answered last
        self.stats: Stats | None = None  # the node's own totals, newest
        self.logs: deque[Log] = deque(maxlen=LOGS_KEPT)  # what the node said for people
        self.unfit: str | None = None  # why its newest answer to HELLO was not taken
        self.refused = 0  # good frames not taken: unknown, short, out of range, of an old session
        self.resets = 0
        self.channel = Channel((nonce >> 16 if session_id is None else session_id - 1) & 0xFFFF)
        self.requests = StopAndWait()
        self.watch = ClockWatch()
        self.ledger = BeatLedger()
        self.events: deque[LinkEvent] = deque(maxlen=EVENTS_CAP)
        self.heard_ns = now  # newest PONG, or the begin of the session
        self._nonce = nonce & 0xFFFFFFFF
        self._host_name = host_name
        self._config = config
        self._rates = rates
        self._boot_id: int | None = None  # of the node's present life; None = it began another
        self._lives: deque[int] = deque(maxlen=LIVES_KEPT)  # boot ids met; their announcements are replays
        self._uptime_us = 0  # newest that the node told of it
        self._steps = 0  # of its clock, in a row
        self._stepped_ns = now  # the newest of them
        self._refusals: set[int] = set()  # types of requests that the node refused, told once each
        self.begin_session(now, None)

    def receive(self, data: bytes, now: HostTime) -> None:
        """Act on bytes that had arrived at `now`."""
        for frame, message in self.channel.receive(data):
            if self.state not in DEAD and not self._take(frame, message, now):
                self.refused += 1

    def enter(self, state: LinkState, reason: str | None) -> None:
        """Change the state, and say so."""
        if state is not self.state or reason is not None:
            self.state = state
            self.events.append(StateChanged(state, reason))

    def hang_up(self, state: LinkState, reason: str | None) -> None:
        """Stop talking for good; beats without an end are over."""
        self.requests.clear()
        self.watch.stop()
        self.ledger.close()
        self.enter(state, reason)

    def tell_clock(self) -> None:
        """Report the newest map; an older one that nobody took is replaced."""
        if self.watch.map is not None:
            if self.node is not None and self.watch.map.pings >= TRUSTED_PINGS:
                self._rates.learn(self.node.unique_id.hex(), self.watch.map.drift_ppm)
            if self.events and isinstance(self.events[-1], ClockUpdated):
                self.events.pop()
            self.events.append(ClockUpdated(self.watch.map))

    def begin_session(self, now: HostTime, reason: str | None) -> None:
        """Start a session: the node then forgets what it had queued; beats still to come are told again."""
        self.channel.next_session()
        self._nonce = (self._nonce + NONCE_STEP) & 0xFFFFFFFF or 1
        self.watch.stop()
        self.ledger.new_session()
        self.requests.clear()
        self.requests.ask(Hello(self._nonce, self._host_name))
        self.heard_ns = now
        self.state = LinkState.HANDSHAKE
        self.events.append(StateChanged(self.state, reason))

    def _node_reset(self, now: HostTime, cause: str) -> bool:
        self._boot_id = None
        self.resets += 1
        self.events.append(NodeReset(cause))
        self.begin_session(now, cause)
        return True

    def _take(self, frame: Frame, message: Message | OtherMajor | Refusal, now: HostTime) -> bool:
        """Act on a message; False = refused."""
        if isinstance(message, HelloAck):
            return self._hello_ack(frame, message, now)
        if isinstance(message, OtherMajor):
            return self._other_major(frame, message)
        if isinstance(message, Refusal) and frame.type == HelloAck.TYPE:
            self.unfit = message.value
        ours = frame.session == self.channel.session and self.state in MET
        return ours and not isinstance(message, Refusal) and self._take_ours(message, now)

    def _take_ours(self, message: Message, now: HostTime) -> bool:
        match message:
            case Pong():
                return self._pong(message, now)
            case Fired():
                taken = [self._fired(report, now) for report in message.reports]
                return all(taken)
            case Ack():
                self._acked(message, now)
            case Stats():
                return self.requests.answered(message, now) and self._take_stats(message)
            case Log():
                self.logs.append(message)
                self.events.append(NodeSaid(printable(message.text), message.level))
            case _:  # a request: our own echo, say
                return False
        return True

    def _acked(self, ack: Ack, now: HostTime) -> None:
        if self.requests.answered(ack, now) and ack.result == AckResult.REFUSED and ack.acked not in self._refusals:
            self._refusals.add(ack.acked)
            name = MESSAGES[ack.acked].__name__ if ack.acked in MESSAGES else hex(ack.acked)
            self.events.append(NodeSaid(f"it refused {name}", WARNING))

    def _hello_ack(self, frame: Frame, ack: HelloAck, now: HostTime) -> bool:
        if ack.nonce == 0 and frame.session == 0:
            if self.state is LinkState.HANDSHAKE:  # it came up a moment ago: what was asked before is lost
                self.requests.ask(Hello(self._nonce, self._host_name))
                return True
            return ack.boot_id not in self._lives and self._node_reset(now, "the node announced a new start")
        if ack.nonce != self._nonce or frame.session != self.channel.session:
            return False
        if not self.requests.answered(ack, now):
            return True  # the answer to a repeat
        if self._boot_id is not None and (ack.boot_id != self._boot_id or ack.uptime_us < self._uptime_us):
            return self._node_reset(now, "another boot id" if ack.boot_id != self._boot_id else "its uptime fell")
        self._boot_id, self._uptime_us = ack.boot_id, ack.uptime_us
        if ack.boot_id not in self._lives:
            self._lives.append(ack.boot_id)
        self.node = ack
        self.events.append(NodeIdentified(_info(ack)))
        if self._config is not None:
            self.requests.ask(self._config)
        known_ppm = self._rates.recall(ack.unique_id.hex())
        if known_ppm is not None:
            self.watch.sync.expect(known_ppm)
        self.watch.start(now, 32 if ack.capabilities & CAP_CLOCK_32 else 64)
        self.enter(LinkState.SYNCING, None)
        return True

    def _other_major(self, frame: Frame, hello: OtherMajor) -> bool:
        if frame.type != HelloAck.TYPE or hello.nonce not in {0, self._nonce}:
            return False
        older = "update the node" if hello.major < MAJOR else "update k1edge"
        self.hang_up(LinkState.INCOMPATIBLE, f"the node speaks k1link {hello.major}.{hello.minor}, this host {MAJOR}.{MINOR}: {older}")
        return True

    def _take_stats(self, stats: Stats) -> bool:
        if stats.uptime_us < self._uptime_us:
            return False  # a replay: a node that started anew answers nothing in our session
        self.stats, self._uptime_us = stats, stats.uptime_us
        return True

    def _pong(self, pong: Pong, now: HostTime) -> bool:
        before = self.watch.map
        answer = self.watch.answer(pong, now)
        if answer is Answer.REFUSED:
            return False
        if answer is Answer.FELL:
            return self._node_reset(now, "its clock fell")
        self.heard_ns = now
        if answer is Answer.STEPPED and before is not None and self.watch.map is not None:
            self.events.append(ClockStepped(self.watch.map.to_node.forward(now) - before.to_node.forward(now)))
        if answer is not Answer.TAKEN:
            self._stepped(answer, now)
            return True
        self.requests.round_trip.measured(now - pong.t1)
        self.tell_clock()
        if now - self._stepped_ns >= CALM_NS:
            self._steps = 0
        settled = self.watch.sync.pings >= READY_PINGS and not self.watch.pinger.bursting
        if settled and self.state is not LinkState.READY:
            self.ledger.since_ns = now
            self.enter(LinkState.READY, None)
        return True

    def _stepped(self, answer: Answer, now: HostTime) -> None:
        """A clock that contradicts itself: begin anew, and where that does not help, wait until it is steady."""
        self._steps += 1
        self._stepped_ns = now
        if answer is Answer.STEPPED and self._steps < UNSTEADY:
            self.begin_session(now, "its clock stepped")
        elif self.state is not LinkState.DEGRADED:
            self.ledger.untell()
            self.requests.ask(Blackout(self.ledger.revision))
            self.enter(LinkState.DEGRADED, "its clock stands still" if answer is Answer.STOOD else "its clock is unsteady")

    def _fired(self, report: WireReport, now: HostTime) -> bool:
        t_sched = self.watch.extend(report.t_sched, now)
        t_fired = self.watch.extend(report.t_fired, now) if report.fate in {Fate.FIRED, Fate.LATE} else report.t_fired
        return self.ledger.report(WireReport(report.id, t_sched, t_fired, report.flags), self.watch.map)


def _info(ack: HelloAck) -> NodeInfo:
    known = ack.reset_reason in ResetReason._value2member_map_
    why = ResetReason(ack.reset_reason).name.lower().replace("_", " ") if known else f"code {ack.reset_reason}"
    name = printable(ack.firmware)
    return NodeInfo("k1link", ack.unique_id.hex(), name, ack.boot_id, ack.led_count, ack.led_tx_us, ack.queue_depth, why)
