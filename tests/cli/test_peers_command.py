import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from k1edge.config import NetworkSettings
from k1edge.report import browse
from k1edge.report.peer_table import static_peer
from k1edge.snapshot import NetworkStatus, PeerStatus
from tests.cli.call import call
from tests.report.scene import SNAPSHOT, serving

KITCHEN = PeerStatus(
    instance="k1edge kitchen (2)", name="kitchen [bold]", id="k1e-1", addresses=("192.168.1.7", "fe80::7%eth0"), port=19_249, path="/telemetry",
    tls=False, proto="1", version="0.1.0", source="mdns", age_s=12.4,
)  # fmt: skip
NETWORK = NetworkStatus(
    bind="all", port=19_249, tls=False, token=False, rate_hz=10.0, reasons=(), clients=0, subscribers=0, sent=0, lost=0, cut_off=0, refused=0,
    announced="k1edge kitchen",
)  # fmt: skip


def serving_peers(path: Path, *peers: PeerStatus) -> object:
    network = NETWORK.model_copy(update={"peers": peers})
    return serving(path, lambda: SNAPSHOT.model_copy(update={"network": network}))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[NetworkSettings]:
    """A LAN with nobody on it but those configured; the settings that it was looked at with."""
    seen: list[NetworkSettings] = []

    async def lonely(settings: NetworkSettings) -> AsyncIterator[tuple[PeerStatus, ...]]:
        seen.append(settings)
        yield ()
        yield tuple(map(static_peer, settings.peers))

    monkeypatch.setattr(browse, "browse", lonely)
    return seen


def test_the_daemon_is_asked_and_nothing_else(capsys: pytest.CaptureFixture[str], home: Path, asked: list[NetworkSettings]) -> None:
    with serving_peers(home / "k.sock", KITCHEN, static_peer("[fd00::6]:19249")):
        code, out, err = call(capsys, "peers", "--socket", str(home / "k.sock"))
    assert (code, err, asked) == (0, "", [])
    assert 'seen as "k1edge kitchen"' in out
    rows = [line.split() for line in out.splitlines()]
    assert ["kitchen", "[bold]", "192.168.1.7", "19249", "0.1.0", "k1e-1", "12", "s", "ago"] in rows
    assert ["fe80::7%eth0"] in rows
    assert ["[fd00::6]:19249", "fd00::6", "19249", "-", "-", "static"] in rows


def test_json_is_one_object(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    with serving_peers(home / "k.sock", KITCHEN):
        code, out, err = call(capsys, "peers", "--json", "--socket", str(home / "k.sock"))
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert json.loads(out) == {"source": "daemon", "announced": "k1edge kitchen", "peers": [KITCHEN.model_dump(mode="json")]}


def test_without_a_daemon_it_listens_itself(capsys: pytest.CaptureFixture[str], home: Path, asked: list[NetworkSettings]) -> None:
    (home / "k1.toml").write_text('[network]\npeers = ["stage.local:19249"]\n')
    code, out, _ = call(capsys, "peers", "--json", "--socket", str(home / "none"), "--config", str(home / "k1.toml"))
    found = json.loads(out)
    assert (code, found["source"], found["announced"]) == (0, "lan", None)
    assert [(peer["instance"], peer["source"], peer["age_s"]) for peer in found["peers"]] == [("stage.local:19249", "static", None)]
    assert len(asked) == 1


def test_a_daemon_that_is_not_on_the_lan_is_no_answer(capsys: pytest.CaptureFixture[str], home: Path, asked: list[NetworkSettings]) -> None:
    with serving(home / "k.sock"):  # its network is None
        assert json.loads(call(capsys, "peers", "--json", "--socket", str(home / "k.sock"))[1])["source"] == "lan"
    assert len(asked) == 1


def test_nobody_found_says_what_to_look_at(capsys: pytest.CaptureFixture[str], home: Path, asked: list[NetworkSettings]) -> None:
    code, out, err = call(capsys, "peers", "--socket", str(home / "none"))
    assert (code, len(asked)) == (0, 1)
    assert "network.peers" in out
    assert "listening for 4 s" in err or not err  # a spinner, where stderr is a terminal


def test_fault_53_without_zeroconf_the_error_names_it(
    capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "k1edge.report.browse", None)
    code, _, err = call(capsys, "peers", "--socket", str(home / "none"))
    assert code == 1
    assert "can't be loaded" in err


def test_multicast_that_is_refused_is_named(capsys: pytest.CaptureFixture[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_: NetworkSettings) -> AsyncIterator[tuple[PeerStatus, ...]]:
        raise OSError(1, "Operation not permitted")
        yield ()

    monkeypatch.setattr(browse, "browse", refused)
    code, _, err = call(capsys, "peers", "--socket", str(home / "none"))
    assert code == 1
    assert "multicast DNS can't be had here: Operation not permitted" in err
