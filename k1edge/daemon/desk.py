"""Between the conductor and the node: what people ask of the node goes first. All state is owned by the event loop."""

from datetime import UTC, datetime, timedelta

from k1edge.beat.scheduler import KEEP, Keep
from k1edge.errors import PeerError
from k1edge.events import BeatPlan, FlashReport
from k1edge.link.dialect import LinkState
from k1edge.link.port import SerialNode
from k1edge.link.trial import Trial, told
from k1edge.timebase import HostTime


class Desk:
    """Plans for one node, and its journal; implements `report.node_routes.NodeDesk`."""

    def __init__(self, node: SerialNode) -> None:
        self.node = node
        self._plan: BeatPlan | None = None  # the conductor's newest
        self._told: BeatPlan | None = None  # the node's newest
        self._trial: Trial | None = None  # the newest, over or not

    def follow(self, plan: BeatPlan | Keep | None, now: HostTime) -> None:
        """Hand on the conductor's newest plan, unless a trial has the node; call it often, also with KEEP."""
        if not isinstance(plan, Keep):
            self._plan = plan
        trial = None if self._trial is None else self._trial.plan(now, timed=self._timed)
        wanted = self._plan if trial is None else trial
        if wanted is not self._told and wanted != self._told:
            self._told = wanted
            self.node.follow(wanted)

    def flashed(self, report: FlashReport) -> bool:
        """Take the word on a trial's flash; False for a beat of the music."""
        if self._trial is not None:
            self._trial.take(report)
        return report.beat_id < 0

    def flash(self, first_ns: HostTime, count: int, period_ns: int, now: HostTime) -> None:
        """Begin a trial; see `Trial` for the arguments.

        Raises:
            PeerError: the node is not ready, or busy with another trial.
        """
        status = self.node.status()
        if status.state is not LinkState.READY:
            msg = f"the node is {status.state}: {status.reason or 'wait a moment'}"
            raise PeerError(msg)
        if self._trial is not None and not self._trial.is_over(now, timed=self._timed):
            msg = "another test flash is still to come"
            raise PeerError(msg)
        self._trial = Trial(first_ns, count, period_ns)
        self.follow(KEEP, now)

    def flashes(self, now: HostTime) -> dict[str, object]:
        """The newest trial as JSON tells it."""
        trial = self._trial
        if trial is None:
            return {"over": True, "flashes": []}
        return {"over": trial.is_over(now, timed=self._timed), "flashes": told(trial.flashes, timed=self._timed)}

    def log(self, after: int, now: HostTime) -> list[dict[str, object]]:
        """The journal's entries after number `after`, with the wall clock that people read."""
        wall = datetime.now(UTC)
        return [
            {
                "number": entry.number,
                "wall_time": (wall - timedelta(microseconds=(now - entry.at_ns) / 1e3)).isoformat(timespec="milliseconds"),
                "kind": entry.kind.value,
                "level": entry.level,
                "text": entry.text,
            }
            for entry in self.node.journal.since(after)
        ]

    @property
    def _timed(self) -> bool:
        return self.node.status().timed is not False
