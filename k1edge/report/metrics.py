"""`/metrics` for Prometheus: base units, `k1edge_` before each name, and no sample where there is no data. Owned by the event loop.

Gauges and totals are read off the snapshot when they are asked for; what a scrape every 15 s would miss (each drift, each flash, each hop)
is counted into histograms as it happens. The exposition itself is prometheus-client's.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, StateSetMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from k1edge.drift.meter import Reading
from k1edge.report.metric_table import COUNTERS, GAUGES, STATES
from k1edge.report.part import LanPart, Surroundings
from k1edge.snapshot import Snapshot
from k1edge.timebase import NS_PER_S

_MS: Final = 1e-3
_US: Final = 1e-6

_SEEN_S: Final = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25)
"""What the eye may notice: the thresholds of the severities (20, 50, 100 ms) are borders."""

_FIRE_S: Final = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)
_LAG_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
_HOP_S: Final = (5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2)


class _Picture(Collector):
    """Turns the snapshot into samples at every scrape."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def describe(self) -> list[Metric]:
        """Names are known from the tables; asking `collect` at registration would need a daemon that runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment."""
        now = self._surroundings.snapshot()
        for name, (words, read) in GAUGES.items():
            value = read(now)
            if value is not None:
                yield GaugeMetricFamily(f"k1edge_{name}", words, value=value)
        for name, (words, count) in COUNTERS.items():
            total = count(now)
            if total is not None:
                yield CounterMetricFamily(f"k1edge_{name}", words, value=total)
        for name, (words, states, state_of) in STATES.items():
            state = state_of(now)
            if state is not None:
                yield StateSetMetricFamily(f"k1edge_{name}", words, value={each: each == state for each in states})
        yield from _by_label(now)


class Metrics(LanPart):
    """Serves `/metrics`."""

    name = "metrics"

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(_Picture(surroundings))
        ProcessCollector(registry=self.registry)  # CPU, memory, descriptors, under the names that every dashboard knows
        self._drift = self._histogram("drift_size_seconds", "Size of the distance between flash and music, per beat", _SEEN_S)
        self._residual = self._histogram("beat_residual_size_seconds", "Size of the distance between beat and onset, per beat", _SEEN_S)
        self._fire = self._histogram("fire_error_size_seconds", "Size of the distance between flash and its order, per beat", _FIRE_S)
        self._lag = self._histogram("loop_lag_seconds", "How late the event loop ran a tick", _LAG_S)
        self._hop = self._histogram("hop_seconds", "What one turn of the DSP thread took", _HOP_S)

    def routes(self) -> Sequence[BaseRoute]:
        """The one route."""
        return (Route("/metrics", self._scrape),)

    def settled(self, reading: Reading) -> None:
        """Count a beat that is over."""
        for histogram, value, unit in (
            (self._drift, reading.drift_ms, _MS),
            (self._residual, reading.beat_residual_ms, _MS),
            (self._fire, reading.fire_error_us, _US),
        ):
            if value is not None:
                histogram.observe(abs(value) * unit)

    def hopped(self, dsp_ns: int) -> None:
        """Count what a turn of the DSP thread took."""
        self._hop.observe(dsp_ns / NS_PER_S)

    def lagged(self, lag_ns: int) -> None:
        """Count how late a tick was."""
        self._lag.observe(lag_ns / NS_PER_S)

    def _histogram(self, name: str, words: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"k1edge_{name}", words, buckets=buckets, registry=self.registry)

    async def _scrape(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self.registry), headers={"content-type": content_type, "cache-control": "no-store"})


def _by_label(now: Snapshot) -> Iterator[Metric]:
    """Those with labels; each label has few values, whatever comes in."""
    node = now.node
    if node is not None:
        ends = CounterMetricFamily("k1edge_beats_ended", "Beats that the node was told, by how they ended", labels=("fate",))
        for fate in ("fired", "late", "missed", "cancelled"):
            ends.add_metric((fate,), getattr(node, fate))
        yield ends
    alerts = GaugeMetricFamily("k1edge_alerts_open", "Alerts that have not ended", labels=("kind", "severity"))
    for key in {(alert.kind, alert.severity.value) for alert in now.alerts.open}:
        alerts.add_metric(key, sum((alert.kind, alert.severity.value) == key for alert in now.alerts.open))
    yield alerts
