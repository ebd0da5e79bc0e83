"""`/metrics`: what Prometheus' own parser makes of it, what a snapshot without data leaves out, and what is counted as it happens."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from starlette.requests import Request

from k1edge.config import Settings
from k1edge.drift.meter import Reading
from k1edge.report.feed import Feed
from k1edge.report.metric_table import COUNTERS, GAUGES, STATES
from k1edge.report.metrics import Metrics
from k1edge.report.part import Surroundings
from k1edge.snapshot import Snapshot
from k1edge.timebase import HostTime
from tests.report.scene import ALERT, NETWORK, SNAPSHOT

GRAFANA = Path(__file__).parents[2] / "systemd" / "grafana"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Samples = dict[str, float]


def made(snapshot: Snapshot = SNAPSHOT) -> Metrics:
    return Metrics(Surroundings(Settings(), "k1e-test", lambda: snapshot, Feed("k1e-test"), lambda: None))


def scrape(metrics: Metrics, accept: str = "") -> tuple[str, str]:
    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": [(b"accept", accept.encode())]}
    response = asyncio.run(metrics.routes()[0].endpoint(Request(scope)))  # type: ignore[attr-defined] # it is a Route
    return bytes(response.body).decode(), response.headers["content-type"]


def samples(metrics: Metrics) -> Samples:
    families = prometheus(scrape(metrics)[0])
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_snapshot_in_base_units() -> None:
    told = samples(made())
    assert told["k1edge_tempo_hertz"] == pytest.approx(128.04 / 60)
    assert told["k1edge_drift_seconds"] == pytest.approx(-0.0045)
    assert told["k1edge_clock_bound_seconds"] == pytest.approx(210.5e-6)
    assert told["k1edge_node_drift_ratio"] == pytest.approx(-12.5e-6)
    assert told["k1edge_beats_ended_total fired"] == 7
    assert told["k1edge_lock locked"] == 1
    assert told["k1edge_lock holding"] == 0
    assert told["k1edge_uptime_seconds"] == 93_784.5


def test_no_data_is_no_sample() -> None:
    nothing = SNAPSHOT.model_copy(
        update={
            "node": None,
            "beat": SNAPSHOT.beat.model_copy(update={"bpm": None}),
            "drift": SNAPSHOT.drift.model_copy(update={"drift_ms": None, "severity": None, "node_drift_ppm": None}),
        }
    )
    told = samples(made(nothing))
    assert not [
        name for name in told if re.match(r"k1edge_(tempo|drift_seconds|drift_severity|node|link|beats_(sent|ended|pending))", name)
    ]
    assert "k1edge_confidence_ratio" in told


def test_every_name_of_the_tables_is_told_and_both_formats_parse() -> None:
    whole = made(SNAPSHOT.model_copy(update={"network": NETWORK}))
    text, kind = scrape(whole, OPENMETRICS)
    assert "openmetrics" in kind
    assert {family.name for family in openmetrics(text)} >= {f"k1edge_{name}" for name in STATES}
    plain = "\n".join(samples(whole))
    assert [name for name in [*GAUGES, *(f"{name}_total" for name in COUNTERS)] if f"k1edge_{name}" not in plain] == []
    bare = "\n".join(samples(made()))  # the snapshot of the scene has no LAN
    assert "lan_clients" not in bare
    assert "uplink" not in bare


def test_beats_hops_and_lags_are_counted_as_they_happen() -> None:
    metrics = made()
    metrics.settled(Reading(1, HostTime(0), -60.0, 3.0, 0.0, -150.0))
    metrics.settled(Reading(2, HostTime(1), None, None, None, 40.0))
    metrics.hopped(400_000)
    metrics.lagged(30_000_000)
    told = samples(metrics)
    assert told["k1edge_drift_size_seconds_count"] == 1
    assert told["k1edge_drift_size_seconds_sum"] == pytest.approx(0.06)
    assert told["k1edge_drift_size_seconds_bucket 0.05"] == 0
    assert told["k1edge_drift_size_seconds_bucket 0.075"] == 1
    assert told["k1edge_fire_error_size_seconds_count"] == 2
    assert told["k1edge_fire_error_size_seconds_bucket 0.0001"] == 1
    assert told["k1edge_hop_seconds_sum"] == pytest.approx(4e-4)
    assert told["k1edge_loop_lag_seconds_bucket 0.02"] == 0


def test_open_alerts_by_kind() -> None:
    more = SNAPSHOT.alerts.model_copy(update={"open": (ALERT, ALERT.model_copy(update={"id": 2}))})
    told = samples(made(SNAPSHOT.model_copy(update={"alerts": more})))
    assert told["k1edge_alerts_open drift amber"] == 2
    assert told["k1edge_alerts_total"] == 1


def test_dashboard_and_rules_ask_for_nothing_that_is_not_told() -> None:
    dashboard = json.loads((GRAFANA / "k1edge.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = re.findall(r"expr:(.*?)\n +(?:for|labels):", (GRAFANA / "k1edge.rules.yml").read_text(), re.DOTALL)
    assert (len(asked), len(rules)) == (21, 7)
    names = {name for text in [*asked, *rules] for name in re.findall(r"\b(?:k1edge|process)_\w+(?=[{\[ )]|$)", text)}
    alarmed = SNAPSHOT.model_copy(update={"alerts": SNAPSHOT.alerts.model_copy(update={"open": (ALERT,)})})
    told = {name.partition(" ")[0] for name in samples(made(alarmed))}
    assert len(names) > 20
    assert names - told == set()
