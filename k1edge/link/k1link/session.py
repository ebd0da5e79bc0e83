"""The timed dialect, host side: handshake, clock, beats with their due times, reports.

| state        | entered                                                         | what goes out                      |
|--------------|-----------------------------------------------------------------|------------------------------------|
| HANDSHAKE    | start; the node reset, its clock stepped, a request unanswered* | HELLO, five tries                  |
| SYNCING      | HELLO_ACK                                                       | CONFIG, a burst of pings           |
| READY        | the burst is over and half of it was answered                   | BEATS, pings, GET_STATS every 10 s |
| DEGRADED     | no PONG for 2 s; a clock that stands still or steps repeatedly  | pings; no new beats                |
| CLOSED       | no PONG for 5 s, no answer to HELLO: the port is to be reopened | nothing                            |
| INCOMPATIBLE | another major version                                           | nothing                            |

* CONFIG or BLACKOUT; GET_STATS is asked again at its time.

A new session makes the node forget what it had queued; beats whose time is still to come are told again. Reports say each end three
times; one that is lost for good ends as missed 1 s after its time. Pure: bytes and time are arguments. Owned by the port's thread.
"""

from dataclasses import replace
from itertools import islice

from k1edge.events import BeatPlan, ClockMap
from k1edge.link.dialect import LinkCounters, LinkEvent, LinkState, NodeSaid
from k1edge.link.k1link.beats import LOSING_REFRESH_NS, REFRESH_NS
from k1edge.link.k1link.messages import Beats, Blackout, Config, GetStats, Hello
from k1edge.link.k1link.peer import DEAD, MET, K1Peer
from k1edge.link.lines import KEPT_BYTES, LineBuffer, newest, printable, readable, spoken
from k1edge.link.rates import RateMemory
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

SILENT_NS = 2 * NS_PER_S
LOST_NS = 5 * NS_PER_S
STATS_NS = 10 * NS_PER_S
SAID_AT_ONCE = 16
"""Lines of text told of one read: a flood must not push out events."""

STALL_NS = 600 * NS_PER_MS
"""Not called for this long, we were stalled ourselves: that silence is not the node's. Our own deadlines come every 0.4 s."""


class K1LinkSession:
    """One node from HELLO until the port is closed; implements `dialect.Dialect`.

    Args:
        now: when the port became ours.
        nonce: 32 random bits; tells this conversation from every earlier one.
        session_id: 1 to 65535, number of the first session; by default taken from the nonce.
        host_name: for people who look at the node.
        config: how the node shall flash; None leaves it alone.
        rates: of the clocks of nodes met before; learns this one's.
    """

    def __init__(
        self,
        now: HostTime,
        *,
        nonce: int,
        session_id: int | None = None,
        host_name: str = "",
        config: Config | None = None,
        rates: RateMemory | None = None,
    ) -> None:
        self.timed = True
        self.peer = K1Peer(now, nonce, session_id, host_name, config, rates or RateMemory())
        self._plan: BeatPlan | None = None  # the newest; the ledger has it while READY
        self._now = now  # newest time seen
        self._stats_ns = now  # newest GET_STATS
        self._last_words: list[bytes] = []  # after close
        self._text = LineBuffer()  # what is no frame, as lines
        self._text_bytes = 0  # how much of that was taken

    @property
    def wants_reopen(self) -> bool:
        """True once only closing and reopening the port can help."""
        return self.peer.state is LinkState.CLOSED

    @property
    def garbage(self) -> bytes:
        """The newest bytes of the node that were no frame: boot text, a panic dump."""
        return self.peer.channel.decoder.garbage

    def kept_text(self) -> str:
        """What the node said for people: its LOG lines, each with its syslog level, then the bytes that were no frame."""
        logs = "".join(f"[{log.level}] {printable(log.text)}\n" for log in self.peer.logs)
        garbage = readable(self.garbage)
        return newest(logs, KEPT_BYTES // 2 if garbage else KEPT_BYTES) + newest(garbage, KEPT_BYTES // 2 if logs else KEPT_BYTES)

    def receive_data(self, data: bytes, now: HostTime) -> None:
        """Take bytes that had arrived at `now`; never raises for what they contain."""
        self._tick(now)
        was = self.peer.state
        self.peer.receive(data, now)
        if self.peer.state is LinkState.READY and was is not LinkState.READY and self._plan is not None:
            self.peer.ledger.follow(self._plan, now)
        self._collect()
        self._overhear()

    def data_to_send(self, now: HostTime) -> list[bytes]:
        """Bytes to write at once, each element in one write; a ping only where nothing else wants out."""
        self._tick(now)
        self._supervise(now)
        out, self._last_words = self._last_words, []
        if self.peer.state in DEAD:
            self._collect()
            return out
        request = self.peer.requests.due(now)
        if request is not None:
            self.peer.requests.sent(self.peer.channel.seq, now)
            out.append(self.peer.channel.frame(request))
        if self.peer.state is LinkState.READY and self.peer.watch.map is not None:
            beats = self.peer.ledger.message(self.peer.watch.map, now)
            if beats is not None:
                self.peer.requests.drop(Blackout)  # they say what is to stay
                out.append(self.peer.channel.frame(self._cut(beats)))
        if not out and (ping := self.peer.watch.ping(now)) is not None:
            out.append(self.peer.channel.frame(ping))
        self._collect()
        return out

    def next_event(self) -> LinkEvent | None:
        """The oldest event not yet taken, or None."""
        return self.peer.events.popleft() if self.peer.events else None

    def next_deadline(self) -> HostTime | None:
        """When `data_to_send` should be called again even if nothing arrives."""
        if self.peer.state in DEAD:
            return self._now if self._last_words else None
        patience = SILENT_NS if self.peer.state in {LinkState.READY, LinkState.SYNCING} else LOST_NS
        times = [
            HostTime(self.peer.heard_ns + patience),
            self.peer.requests.next_deadline(self._now),
            self.peer.watch.next_deadline(),
            self.peer.ledger.next_deadline(self._now) if self.peer.state is LinkState.READY else None,
        ]
        return min(time for time in times if time is not None)

    def follow(self, plan: BeatPlan | None, now: HostTime) -> None:
        """Play this from now on; None = go dark and forget what was queued."""
        self._tick(now)
        dark = plan is None and self._plan is not None
        self._plan = plan
        if plan is None:
            self.peer.ledger.follow(None, now)
            if dark and self.peer.state in MET:
                self.peer.requests.ask(Blackout(self.peer.ledger.revision))
        elif self.peer.state is LinkState.READY:
            self.peer.ledger.follow(plan, now)
        self._collect()

    def close(self, now: HostTime) -> None:
        """Queue a BLACKOUT; `data_to_send` once more, then hang up. Beats without an end are cancelled, or missed where they are due."""
        self._tick(now)
        if self.peer.state in MET:
            self._last_words = [self.peer.channel.frame(Blackout(self.peer.ledger.revision))]
        if self.peer.state not in DEAD:
            self.peer.hang_up(LinkState.CLOSED, None)
        self._collect()

    def counters(self) -> LinkCounters:
        """Totals since this session object was made; refused frames count as bad."""
        totals, seen = self.peer.ledger.totals, self.peer.channel.decoder.counters
        return LinkCounters(
            totals.sent,
            totals.fired,
            totals.late,
            totals.missed,
            totals.cancelled,
            self.peer.ledger.pending,
            seen.frames,
            self.peer.channel.frames_out,
            seen.garbage_bytes,
            seen.bad_frames + self.peer.refused,
            self.peer.resets,
            self.peer.channel.lost_frames,
            self.peer.ledger.stray_reports,
        )

    def clock(self) -> ClockMap | None:
        """The newest fit; None before the first."""
        return self.peer.watch.map

    def _tick(self, now: HostTime) -> None:
        if now - self._now > STALL_NS:
            self.peer.heard_ns = HostTime(self.peer.heard_ns + now - self._now)
            self.peer.ledger.woke_ns = now
        self._now = now

    def _supervise(self, now: HostTime) -> None:
        """What time alone brings about."""
        if self.peer.state in DEAD:
            return
        self.peer.ledger.expire(now)
        self.peer.ledger.refresh_ns = LOSING_REFRESH_NS if self.peer.watch.pinger.losing(now) else REFRESH_NS
        if self.peer.watch.refresh(now):
            self.peer.tell_clock()
        failed = self.peer.requests.failed(now)
        silence = now - self.peer.heard_ns
        if isinstance(failed, Hello):
            unfit = self.peer.unfit
            self.peer.hang_up(LinkState.CLOSED, f"its answer to HELLO is {unfit}; update the node" if unfit else "no answer to HELLO")
        elif isinstance(failed, GetStats):
            self.peer.requests.drop(GetStats)  # asked again in 10 s; PONGs tell whether the node lives
        elif failed is not None:
            self.peer.begin_session(now, f"no answer to {type(failed).__name__}")
        elif silence >= LOST_NS:
            self.peer.hang_up(LinkState.CLOSED, "no answer for 5 s")
        elif silence >= SILENT_NS and self.peer.state in {LinkState.SYNCING, LinkState.READY}:
            self.peer.enter(LinkState.DEGRADED, "no answer for 2 s")
        if self.peer.state is LinkState.READY:
            self.peer.ledger.take(now)
            if now - self._stats_ns >= STATS_NS:
                self._stats_ns = now
                self.peer.requests.ask(GetStats())

    def _collect(self) -> None:
        self.peer.events.extend(self.peer.ledger.reports)
        self.peer.ledger.reports.clear()

    def _overhear(self) -> None:
        """Tell what came between the frames, line by line; of a flood, its beginning."""
        total = self.peer.channel.decoder.counters.garbage_bytes
        fresh, self._text_bytes = total - self._text_bytes, total
        if fresh:
            words = filter(None, map(spoken, self._text.feed(self.garbage[-fresh:])))
            self.peer.events.extend(map(NodeSaid, islice(words, SAID_AT_ONCE)))

    def _cut(self, beats: Beats) -> Beats:
        """The same with times as the node's counter shows them."""
        cut = self.peer.watch.cut
        return replace(
            beats, valid_until=cut(beats.valid_until), beats=tuple(beat._replace(t_node_us=cut(beat.t_node_us)) for beat in beats.beats)
        )
