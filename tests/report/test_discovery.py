"""Discovery beside the server, with radios that are none: nothing in here touches a network."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

import pytest

from k1edge.config import NetworkSettings, Settings
from k1edge.report import air as air_module
from k1edge.report.air import FLOOD_PACKETS, FLOOD_PAUSE_S, Air
from k1edge.report.discovery import Discovery
from k1edge.report.feed import Feed
from k1edge.report.interfaces import Place
from k1edge.report.part import Surroundings
from k1edge.report.peer_table import MOST_PEERS, SERVICE, Heard, PeerTable
from k1edge.report.sieve import Sieve
from k1edge.timebase import HostTime
from tests.report.scene import SNAPSHOT, until
from tests.report.test_peer_table import at, heard

LAN = Place("eth0", 2, ("10.0.0.1",), ("fd00::1",))
WLAN = Place("wlan0", 3, ("10.0.1.1",), ())


class FakeRadio:
    """What `Radio` is to `Air`, written down."""

    taken: frozenset[str] = frozenset()  # names that others have
    failure: OSError | None = None
    made: list["FakeRadio"]

    def __init__(self, places: tuple[Place, ...], *_: object, alone: bool) -> None:
        self.places, self.alone, self.sieve = places, alone, Sieve()
        self.announced: str | None = None
        self.addresses: list[str] = []
        self.gone: list[str] = []
        self.port: int | None = None
        self.closed: bool | None = None  # with a goodbye or not
        self.other: str | None = None
        self.insisted = 0
        self.flooded = False

    async def open(self) -> None:
        type(self).made.append(self)
        if self.failure is not None:
            raise self.failure

    async def close(self, *, goodbye: bool) -> None:
        self.closed = goodbye

    def listen(self, tables: Mapping[str, PeerTable], now: HostTime) -> None:
        pass

    async def announce(self, info: "object", gone: "object") -> bool:
        name = info.name.removesuffix(f".{SERVICE}")  # type: ignore[attr-defined]
        if name in self.taken:
            return False
        self.announced, self.port = name, info.port  # type: ignore[attr-defined]
        self.addresses, self.gone = info.parsed_addresses(), gone.parsed_addresses()  # type: ignore[attr-defined]
        return True

    def insist(self) -> None:
        self.insisted += 1

    def rival(self) -> str | None:
        return self.other


class Scene:
    """An `Air` that is looked at by hand."""

    def __init__(self, air: Air) -> None:
        self.air = air
        self.now_s = 0.0

    @property
    def radio(self) -> FakeRadio:
        return FakeRadio.made[-1]

    async def look(self, after_s: float = 1.0) -> None:
        self.now_s += after_s
        await self.air._look(at(self.now_s))
        for _ in range(3):
            await asyncio.sleep(0)  # the announcing task


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Interfaces and port as they are now."""
    now: dict[str, object] = {"places": (LAN,), "port": 19_249}
    monkeypatch.setattr(FakeRadio, "made", [], raising=False)
    monkeypatch.setattr(FakeRadio, "taken", frozenset())
    monkeypatch.setattr(FakeRadio, "failure", None)
    monkeypatch.setattr(air_module, "Radio", FakeRadio)
    monkeypatch.setattr(air_module, "places", lambda _: now["places"])
    return now


def on_air(world: dict[str, object], scenario: Callable[[Scene], Awaitable[None]], bind: str = "all") -> None:
    async def whole() -> None:
        scene = Scene(Air(bind, "kitchen", {"id": "k1e-1"}, lambda: world["port"], {SERVICE: PeerTable()}))  # type: ignore[arg-type, return-value]
        await scenario(scene)
        await scene.air._hang_up(goodbye=True)

    asyncio.run(whole())


def test_it_is_announced_with_every_address_and_bound_to_what_was_asked_for(world: dict[str, object]) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look()
        assert scene.air.announced == "k1edge kitchen"
        assert (scene.radio.port, sorted(scene.radio.addresses), scene.radio.alone) == (19_249, ["10.0.0.1", "fd00::1"], True)
        await scene.look()
        assert len(FakeRadio.made) == 1

    on_air(world, scenario, bind="eth0")
    assert FakeRadio.made[-1].closed is True


def test_nothing_is_announced_before_the_server_listens_and_a_port_that_goes_is_taken_back(world: dict[str, object]) -> None:
    async def scenario(scene: Scene) -> None:
        world["port"] = None
        await scene.look()
        assert scene.air.announced is None
        world["port"] = 5
        await scene.look()
        assert (scene.radio.port, len(FakeRadio.made)) == (5, 1)
        world["port"] = 6
        await scene.look()
        first, second = FakeRadio.made
        assert (first.closed, second.port) == (True, 6)
        world["port"] = None
        await scene.look()
        assert (second.closed, scene.air.announced) == (True, None)

    on_air(world, scenario)


def test_fault_42_no_network_is_a_reason_and_a_new_one_is_announced_on(world: dict[str, object]) -> None:
    async def scenario(scene: Scene) -> None:
        world["places"] = ()
        await scene.look()
        assert "no network" in str(scene.air.reason)
        assert scene.air.announced is None
        world["places"] = (LAN,)
        await scene.look()
        assert (scene.air.reason, scene.air.announced) == (None, "k1edge kitchen")
        world["places"] = (WLAN,)
        await scene.look()
        first, second = FakeRadio.made[-2:]
        assert first.closed is False, "a goodbye would make others forget us between two networks"
        assert (second.addresses, sorted(second.gone)) == (["10.0.1.1"], ["10.0.0.1", "fd00::1"])

    on_air(world, scenario)


def test_multicast_that_can_not_be_had_is_a_reason_and_tried_again(world: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(scene: Scene) -> None:
        monkeypatch.setattr(FakeRadio, "failure", OSError(1, "Operation not permitted"))
        await scene.look()
        await scene.look()
        assert "not permitted" in str(scene.air.reason)
        assert [radio.closed for radio in FakeRadio.made] == [False, False]
        monkeypatch.setattr(FakeRadio, "failure", None)
        await scene.look()
        assert (scene.air.reason, scene.air.announced) == (None, "k1edge kitchen")

    on_air(world, scenario)


def test_fault_41_a_taken_name_gets_a_number(world: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(scene: Scene) -> None:
        monkeypatch.setattr(FakeRadio, "taken", frozenset({"k1edge kitchen", "k1edge kitchen (2)"}))
        await scene.look()
        await asyncio.wait_for(until(lambda: scene.air.announced is not None), 5)
        assert scene.air.announced == "k1edge kitchen (3)"

    on_air(world, scenario)


def test_fault_41_of_two_with_one_name_the_first_host_in_the_alphabet_gives_way(world: dict[str, object]) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look()
        scene.radio.other = "k1edge-.local."  # before any of ours
        await scene.look()
        assert (scene.radio.insisted, scene.air.announced) == (1, "k1edge kitchen")
        await scene.look(0.1)
        assert scene.radio.insisted == 1, "not at each look"
        scene.radio.other = "z.local."
        await scene.look(3.0)
        await scene.look()
        first, second = FakeRadio.made
        assert (first.closed, second.announced) == (False, "k1edge kitchen (2)")

    on_air(world, scenario)


def test_fault_41_one_that_claims_every_name_is_not_run_from_for_ever(world: dict[str, object]) -> None:
    async def scenario(scene: Scene) -> None:
        for _ in range(600):
            await scene.look()
            scene.radio.other = "z.local."
        assert len(FakeRadio.made) <= 18  # 6 doublings of the truce, then one a minute

    on_air(world, scenario)


def test_fault_39_a_flood_makes_it_deaf_for_a_while(world: dict[str, object]) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look()
        scene.radio.sieve.dropped = FLOOD_PACKETS
        await scene.look()
        assert "flooded" in str(scene.air.reason)
        assert scene.radio.closed is False
        await scene.look(FLOOD_PAUSE_S / 2)
        assert len(FakeRadio.made) == 1
        await scene.look(FLOOD_PAUSE_S / 2 + 0.1)
        assert (scene.air.reason, scene.air.announced) == (None, "k1edge kitchen")

    on_air(world, scenario)


# --- the part ------------------------------------------------------------------------------------------------------------------


def part(**network: object) -> Discovery:
    settings = NetworkSettings.model_validate(network)
    return Discovery(Surroundings(Settings(network=settings), "k1e-1", lambda: SNAPSHOT, Feed("k1e-1"), lambda: 19_249))


def hear(discovery: Discovery, *everybody: Heard) -> None:
    now = HostTime(time.monotonic_ns())
    fresh = [Heard(each.instance, each.host, each.port, each.txt, each.addresses, now, 120.0) for each in everybody]
    discovery._tables[SERVICE].hear(fresh, now)


def test_fault_45_a_reload_takes_the_static_peers() -> None:
    discovery = part(peers=["stage.local:1"])
    discovery.reload(Settings(network=NetworkSettings(peers=("hall.local:2",))))
    assert [peer.instance for peer in discovery.shown()["peers"]] == ["hall.local:2"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1", "lo"])
def test_on_loopback_nobody_is_told_and_nothing_is_loaded(bind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "k1edge.report.air", None)
    discovery = part(bind=bind, peers=["stage.local:1"])
    asyncio.run(discovery.run())
    assert discovery.reasons() == ()
    shown = discovery.shown()
    assert (shown["announced"], shown["hubs"]) == (None, ())
    assert [peer.instance for peer in shown["peers"]] == ["stage.local:1"]  # type: ignore[attr-defined]


def test_fault_53_without_zeroconf_it_is_off_alone_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "k1edge.report.air")
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    discovery = part()
    asyncio.run(discovery.run())
    (reason,) = discovery.reasons()
    assert "zeroconf can't be loaded; install k1edge anew" in reason


def test_fault_41_a_copied_id_is_named_with_the_cure() -> None:
    discovery = part()
    hear(discovery, heard("k1edge hall"))
    (reason,) = discovery.reasons()
    assert '"k1edge hall" at 10.0.0.7 has our id k1e-1' in reason
    assert "state.json" in reason


def test_fault_39_a_crowd_is_a_reason() -> None:
    discovery = part()
    hear(discovery, *(heard(f"fake {number}", txt=b"") for number in range(MOST_PEERS + 3)))
    assert [reason.partition(";")[0] for reason in discovery.reasons()] == ["discovery: 3 more peers than the 64 that are listed"]
    assert len(discovery.shown()["peers"]) == MOST_PEERS  # type: ignore[arg-type]
