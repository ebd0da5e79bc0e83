"""The composition root: knows every room, wires them, supervises them, and takes them down in order.

Threads: PortAudio's callback (inside the source) -> `k1-dsp` (`Hearing`) -> this event loop -> `k1-serial` (`SerialNode`). All state in here
is owned by the event loop; the other threads reach it through `call_soon_threadsafe` alone.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from k1edge.audio.source import AudioSource, AudioState
from k1edge.beat.scheduler import Keep, Scheduler
from k1edge.beat.steering import Steering
from k1edge.config import Settings
from k1edge.daemon.budget import RestartBudget
from k1edge.daemon.clocks import Clocks
from k1edge.daemon.conductor import Conductor
from k1edge.daemon.desk import Desk
from k1edge.daemon.hearing import Heard, Hearing
from k1edge.daemon.helm import Helm
from k1edge.daemon.lan import Lan
from k1edge.daemon.link_log import log_link
from k1edge.daemon.picture import Vitals, draw, drift_facts
from k1edge.drift.meter import DriftMeter
from k1edge.drift.watch import DriftWatch
from k1edge.errors import K1EdgeError
from k1edge.events import BeatPlan, FlashReport
from k1edge.link.dialect import LinkEvent
from k1edge.link.port import SerialNode
from k1edge.link.port_status import node_port
from k1edge.report.systemd import Notifier
from k1edge.snapshot import Snapshot
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

log = structlog.get_logger(__name__)

TICK_S = 0.1
"""Pulse of the loop: plans run out, the lag is measured, the watchdog is looked after."""

NOTIFY_EVERY_NS = NS_PER_S
"""STATUS= and WATCHDOG=1 go out at this pace."""

MOST_LAG_NS = 5 * NS_PER_S
"""An event loop that ran this late feeds no watchdog."""

DSP_STUCK_NS = 60 * NS_PER_S
"""A DSP thread that has not come round for this long is stuck in a driver. Opening a device may rightly take 40 s (FAULTS.md 26)."""

DSP_STOP_S = 1.0
"""How long a stop waits for the DSP thread; one that is stuck in a driver dies with the process."""


class PartFailedError(K1EdgeError):
    """A part failed more often than the restart budget allows; the whole daemon ends and systemd starts it anew."""


class Daemon:
    """Everything between a sound and a flash, as one object to run.

    Args:
        settings: what to do.
        source: where the sound comes from.
        identity: who this is, in status.
        socket: where the status is served.
        env: the environment: what systemd says there.
        watch: called on the event loop with every `Heard` and `LinkEvent`, for views; must be quick.
        state: folder of what is remembered; None = nothing beyond this run.
    """

    def __init__(
        self,
        settings: Settings,
        source: AudioSource,
        *,
        identity: str,
        socket: Path,
        env: Mapping[str, str],
        watch: Callable[[Heard | LinkEvent], None] | None = None,
        state: Path | None = None,
    ) -> None:
        self.settings = settings
        self.identity = identity
        self.socket_path = socket
        self._source = source
        self._watch = watch
        self._started_ns = HostTime(time.monotonic_ns())
        self.conductor = Conductor(Scheduler(horizon_ns=settings.node.horizon_ms * NS_PER_MS), DriftMeter())
        self.drift = DriftWatch(self.conductor.meter)
        self.helm = Helm(settings, self.conductor, self._steer)
        self._budget = RestartBudget(settings.daemon.restart_budget)
        self._stop: asyncio.Event | None = None  # set = end in order; made by run()
        self._stop_requested = False  # a stop that came before run()
        self._failure: BaseException | None = None  # what ended us, if anything did
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hearing: Hearing | None = None
        self._desk: Desk | None = None  # None = no node is wanted
        self._lan = Lan(settings, identity, self.snapshot, self.conductor, state)
        self.clocks = Clocks(state, self._started_ns)
        self._lag_ns: int | None = None
        self._notifier = Notifier(env)
        self._pending: set[asyncio.TimerHandle] = set()  # restarts that are waiting for their pause

    async def run(self) -> None:
        """Run until `stop`, the end of the source, or a failure beyond repair.

        Raises:
            PartFailedError: the restart budget is spent.
            DeviceError: the status socket can't be had, another instance runs.
        """
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        if self._stop_requested:
            self._stop.set()
        from k1edge.report.app import build_app  # noqa: PLC0415 - 150 ms that the DSP thread can use meanwhile
        from k1edge.report.node_routes import node_routes  # noqa: PLC0415 - as above
        from k1edge.report.status import StatusServer  # noqa: PLC0415 - as above
        from k1edge.report.tempo_routes import tempo_routes  # noqa: PLC0415 - as above

        server = StatusServer(build_app(self.snapshot, [*node_routes(lambda: self._desk), *tempo_routes(self.helm)]), self.socket_path)
        await server.start()  # first of all: it holds the lock that keeps a second instance off the devices
        try:
            self._start_parts()
            self._lan.start()
            self._notifier.ready("listening")
            log.info(
                "listening", id=self.identity, socket=str(self.socket_path), audio=self.settings.audio.device, node=self.settings.node.port
            )
            await self._tick_until_stopped()
        finally:
            await self._shut_down()
            await server.stop()
        if self._failure is not None:
            raise PartFailedError(str(self._failure)) from self._failure

    def stop(self) -> None:
        """Ask for an orderly end; call it on the event loop, any number of times."""
        self._stop_requested = True
        if self._stop is not None:
            self._stop.set()

    def snapshot(self) -> Snapshot:
        """Everything at this moment."""
        vitals = Vitals(self.identity, self._started_ns, self._stop_requested, self._budget.total, self._lag_ns)
        node = None if self._desk is None else self._desk.node.status()
        now, network, tempo = HostTime(time.monotonic_ns()), self._lan.status(), self.helm.status()
        audio, clocks = self._source.health(), self.clocks.status(now)
        return draw(self.settings, vitals, audio, self.conductor, self.drift, node, network, now, clocks, tempo)

    def reload(self, settings: Settings) -> None:
        """Take over what can change while running: the offset, the tempi, the network. Says what needs a restart."""
        self._notifier.reloading()
        ours = self.helm.reload(self.settings, settings)
        self._lan.reload(settings)
        ours = ours.model_copy(update={"network": self._lan.settings.network})
        if ours != settings:
            log.warning("some changes need a restart", cure="systemctl restart k1edge")
        self.settings = ours
        log.info("configuration reloaded", offset_ms=settings.node.offset_ms)
        self._notifier.ready("configuration reloaded")

    # --- parts -----------------------------------------------------------------------------------------------------------------

    def _start_parts(self) -> None:
        if self.settings.node.port != "off":
            where = node_port(self.settings.node, self.clocks.rates.memory)
            node = SerialNode(where, on_event=self._post_link, on_failure=self._post_link_failure)
            node.start()
            self._desk = Desk(node)
        self._hearing = Hearing(self._source, self.helm.new_pipeline, self._post_heard, self._post_hearing_ended)
        self._hearing.start()

    def _steer(self, steering: Steering) -> None:
        if self._hearing is not None:
            self._hearing.steer(steering)

    async def _shut_down(self) -> None:
        """The light first: a node must not be left following a daemon that is gone."""
        self._notifier.stopping()
        for handle in self._pending:
            handle.cancel()
        if self._desk is not None:
            await asyncio.to_thread(self._desk.node.close)
        leaving = asyncio.create_task(self._lan.stop())
        if self._hearing is not None and not await asyncio.to_thread(self._hearing.stop, DSP_STOP_S):
            log.warning("the sound driver does not answer; leaving it behind")
        await leaving
        await self.clocks.rates.close()
        log.info("stopped")

    # --- called on other threads: post to the loop -----------------------------------------------------------------------------

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        try:
            loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # closed between the question and the call: nobody is left to hear
            return

    def _post_heard(self, heard: Heard) -> None:
        self._post(self._on_heard, heard)

    def _post_hearing_ended(self, failure: Exception | None) -> None:
        self._post(self._on_hearing_ended, failure)

    def _post_link(self, event: LinkEvent) -> None:
        self._post(self._on_link, event)

    def _post_link_failure(self, failure: BaseException) -> None:
        self._post(self._on_link_failure, failure)

    # --- called on the event loop ----------------------------------------------------------------------------------------------

    def _on_heard(self, heard: Heard) -> None:
        if self._hearing is not None and heard.life != self._hearing.life:
            return  # from before the host slept
        self._follow(self.conductor.hear(heard, HostTime(time.monotonic_ns())))
        self._lan.heard(heard)
        if self._watch is not None:
            self._watch(heard)

    def _on_link(self, event: LinkEvent) -> None:
        trial = isinstance(event, FlashReport) and self._desk is not None and self._desk.flashed(event)
        if isinstance(event, FlashReport) and not trial:
            self.conductor.flashed(event)
            self._lan.flashed(event)
        self.clocks.take(event)
        log_link(event, trial=trial)
        if self._watch is not None:
            self._watch(event)

    def _on_hearing_ended(self, failure: Exception | None) -> None:
        if failure is None:
            self.stop()
        elif not self._stop_requested and self._hearing is not None:
            self._restart("hearing", failure, self._hearing.start)

    def _on_link_failure(self, failure: BaseException) -> None:
        if not self._stop_requested and self._desk is not None:
            self._restart("link", failure, self._desk.node.start)

    def _restart(self, part: str, failure: BaseException, start: Callable[[], None]) -> None:
        pause_ns = self._budget.spend(HostTime(time.monotonic_ns()))
        if pause_ns is None or self._loop is None:
            log.error("failed too often; ending, so that the whole is started anew", part=part, exc_info=failure)
            self._failure = failure
            self.stop()
            return
        log.error("part failed; starting it anew", part=part, pause_ms=pause_ns / NS_PER_MS, exc_info=failure)
        self._pending.add(self._loop.call_later(pause_ns / NS_PER_S, start))

    def _follow(self, plan: BeatPlan | Keep | None) -> None:
        if self._desk is not None:
            self._desk.follow(plan, HostTime(time.monotonic_ns()))

    # --- the pulse -------------------------------------------------------------------------------------------------------------

    async def _tick_until_stopped(self) -> None:
        assert self._stop is not None  # noqa: S101 - run() made it
        notified_ns = HostTime(0)
        while not self._stop.is_set():
            due_ns = time.monotonic_ns() + round(TICK_S * NS_PER_S)
            await asyncio.sleep(TICK_S)
            now = HostTime(time.monotonic_ns())
            self._lag_ns = now - due_ns
            self._look_around(now)
            self._follow(self.conductor.plan(now))
            self._lan.lagged(self._lag_ns)
            if now - notified_ns >= NOTIFY_EVERY_NS:
                notified_ns = now
                self._notify(now)

    def _look_around(self, now: HostTime) -> None:
        audio, node = self._source.health(), None if self._desk is None else self._desk.node.status()
        if self.clocks.tick(audio, node, now) and self._hearing is not None:  # the host slept, and the music went on
            self.conductor.forget()
            self._hearing.renew()
        news = self.drift.look(drift_facts(audio, self.conductor, node, now, self.clocks.moved_lately(now)), now)
        for alert in news.alerts:
            log.warning("alert" if alert.end_ns is None else "alert over", **alert.model_dump(mode="json"))
        self._lan.judged(news)

    def _notify(self, now: HostTime) -> None:
        snapshot = self.snapshot()
        bpm = "no beat" if snapshot.beat.bpm is None else f"{snapshot.beat.bpm:.1f} bpm {snapshot.beat.lock}"
        self._notifier.status("; ".join((snapshot.state, bpm, *snapshot.reasons)))
        if self._healthy(now):
            self._notifier.feed_watchdog()

    def _healthy(self, now: HostTime) -> bool:
        """Whether the watchdog may be fed: sound is fresh or its absence is known, every thread turns, the loop is not late."""
        audio = self._source.health()
        known = audio.state in {AudioState.OPENING, AudioState.STALLED, AudioState.LOST, AudioState.ENDED}
        fresh = audio.age_ns is not None and audio.age_ns < 2 * NS_PER_S
        turning = self._hearing is not None and now - self._hearing.turn_ns < DSP_STUCK_NS
        return (fresh or known) and turning and (self._lag_ns or 0) < MOST_LAG_NS
