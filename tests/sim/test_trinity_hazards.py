"""A LightwaveOS with all its hazards in fake time; `TrinityWorld` holds the invariants in every step: no stray byte, no double flash."""

import random

import pytest

from k1edge.link.dialect import LinkState
from k1edge.link.identify import ASK_STATUS
from k1edge.link.lightwave import STOP, phase_line, start_line
from k1edge.link.virtual.brain import LightwaveBrain
from k1edge.link.virtual.lightwave_loop import Hazards
from k1edge.timebase import NodeTime
from tests.sim.trinity_world import S, TrinityWorld

ROUGH = Hazards(stall=0.05, noise=0.1, busy=0.05)
USB_MS = (0.1, 2.0)


def external(world: TrinityWorld) -> bool:
    return world.brain.console.external


def playing(seed: int, hazards: Hazards = ROUGH, delay_ms: tuple[float, float] = (0.0, 30.0), bpm: float = 120.0) -> TrinityWorld:
    world = TrinityWorld(seed, hazards, delay_ms)
    world.play(bpm)
    world.run(10)
    assert external(world)
    assert len(world.flashes) >= 5
    return world


def stops_within(world: TrinityWorld, seconds: float) -> bool:
    """Whether it is stopped by then, and makes no light after that."""
    world.run(seconds)
    flashes = len(world.flashes)
    stopped = not external(world)
    world.run(20)
    return stopped and not external(world) and len(world.flashes) == flashes


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_no_stray_byte_and_no_double_flash(seed: int) -> None:
    """60 to 200 bpm, tempo changes, phase jumps, plans lost and run out, cables pulled, resets, kills; 0 to 30 ms, stalls, torn replies."""
    rng = random.Random(seed)
    world = TrinityWorld(seed, ROUGH)
    world.play(rng.uniform(60, 200))
    world.run(5)
    for _ in range(25):
        match rng.choice(["tempo", "tempo", "double", "jump", "jump", "stop", "expire", "cable", "reset", "kill"]):
            case "tempo":
                world.play(rng.uniform(60, 200))
            case "double":
                world.play(world.bpm * 2 if world.bpm <= 100 else world.bpm / 2)
            case "jump":
                world.play(world.bpm, jump_beats=rng.uniform(-0.5, 0.5))
            case "stop":
                world.stop()
            case "expire":
                world.refreshing = False
            case "cable":
                world.unplug()
                world.run(rng.uniform(0, 2))
                world.plug()
            case "reset":
                world.reset()
            case "kill":
                world.restart()
        world.run(rng.uniform(0.1, 6))
    world.play(120)
    world.run(15)
    assert external(world)
    assert len(world.flashes) > 60
    world.stop()
    assert stops_within(world, 8)


@pytest.mark.parametrize("bpm", [60.0, 97.3, 128.0, 174.5, 200.0])
def test_one_flash_a_beat_and_on_it(bpm: float) -> None:
    world = TrinityWorld(3, Hazards(), USB_MS)
    world.play(bpm)
    world.run(40)
    settled = world.now - 30 * S
    errors_ms = sorted(abs(error) for error in world.phase_errors_ms(settled))
    assert abs(len(errors_ms) - 30 * bpm / 60) <= 1.5
    assert errors_ms[int(0.95 * len(errors_ms))] <= 6.0  # half a frame of 8.3 ms, and the USB's jitter


def test_a_new_tempo_and_a_jump_are_followed_within_two_beats() -> None:
    world = playing(4, Hazards(), USB_MS)
    for bpm, jump in ((126.0, 0.0), (63.0, 0.0), (63.0, 0.4), (140.0, -0.3)):
        world.play(bpm, jump_beats=jump)
        since = world.now + round(2.2 * world.timeline().period)
        world.run(8)
        assert max(abs(error) for error in world.phase_errors_ms(since)) < 12


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("how", ["unlock", "runs out", "new conversation"])
def test_fault_24_47_it_is_stopped_whenever_there_is_nothing_to_follow(how: str, seed: int) -> None:
    """No lock, silence and a lost sound device all reach the link as no plan; a daemon that hangs as a plan that runs out; a kill as neither."""
    world = playing(seed)
    if how == "unlock":
        world.stop()
        assert stops_within(world, 4.0)  # at once, and again each second while its answers are torn or refused
    elif how == "runs out":
        world.refreshing = False
        assert stops_within(world, 2.5 + 4.0)  # the plan ends 4 beats ahead
    else:
        world.playing = False
        world.restart()
        before = len(world.lines)
        assert stops_within(world, 8.0)
        said = [line for _, line in world.lines[before:]]
        assert said[: said.index(STOP)] == [ASK_STATUS] * said.index(STOP)


@pytest.mark.parametrize("seed", range(5))
def test_fault_46_leaving_stops_it(seed: int) -> None:
    world = playing(seed, Hazards(stall=0.05, noise=0.1))
    world.leave()
    assert stops_within(world, 0.5)
    assert world.lines[-1][1] == STOP


def test_fault_13_a_pulled_cable_leaves_it_running_and_coming_back_stops_it_first() -> None:
    world = playing(6)
    world.unplug()
    world.refreshing = False
    world.run(5)
    assert external(world), "this firmware has no way to notice"
    before = len(world.lines)
    world.plug()
    world.run(2.5)
    assert [line for _, line in world.lines[before : before + 2]] == [ASK_STATUS, STOP]


def test_fault_08_after_a_reset_it_is_let_boot_then_stopped_and_started() -> None:
    world = playing(7, Hazards(), USB_MS)
    world.reset()
    before = len(world.lines)
    world.run(6)
    assert [line for _, line in world.lines[before : before + 1]] == [STOP]
    assert world.lines[before][0] - world.now > -4.1 * S
    assert external(world)
    assert world.states[-1] is LinkState.READY


def test_torn_replies_and_refusals_only_delay() -> None:
    world = TrinityWorld(8, Hazards(noise=0.4, busy=0.4))
    world.play(120)
    world.run(60)
    assert external(world)
    assert LinkState.DEGRADED in world.states
    world.stop()
    assert stops_within(world, 20)


def test_the_hazards_are_real() -> None:
    """What a careless host would bring about: the model must be able to fail the invariants."""
    brain = LightwaveBrain(Hazards(pass_us=(100, 100)))
    half = len(start_line(120)) // 2
    brain.receive(start_line(120)[:half], NodeTime(0))
    (reply,) = brain.data_to_send(NodeTime(1_000))
    assert b'"success":false' in reply
    brain.receive(start_line(120)[half:], NodeTime(1_000))
    assert brain.data_to_send(NodeTime(2_000)) == []
    assert brain.console.settings_changed == len(start_line(120)) - half - 1
    assert not brain.console.external
    brain.receive(bytes(b"x" * 300), NodeTime(3_000))
    assert brain.loop.lost_bytes == 300 - 256

    world = playing(9, Hazards(), USB_MS)
    late_tick = b'{"type":"trinity.beat","bpm":120.00,"tick":true}\n'
    world.run((1.0 - world.timeline().phase_at(world.now)) * 0.5 + 0.02)
    world._send("up", late_tick)
    with pytest.raises(AssertionError, match="double flash"):
        world.run(1)

    world = playing(10, Hazards(), USB_MS)
    world.run((1.0 - world.timeline().phase_at(world.now)) * 0.5 + 0.03)
    world._send("up", phase_line(120, 0.8))  # a phase of over one half, just behind a flash
    with pytest.raises(AssertionError, match="double flash"):
        world.run(1)


@pytest.mark.parametrize("seed", range(3))
def test_a_line_of_over_64_bytes_would_be_executed_in_halves(seed: int) -> None:
    """It goes out as two packets, and the loop may pass between them."""
    world = playing(seed, Hazards(pass_us=(10, 40)), USB_MS)
    world._send("up", b'{"type":"trinity.beat","bpm":120.00,"beat_phase":0.400,"tick":false}\n')
    with pytest.raises(AssertionError):
        world.run(0.2)
    assert bytes(world.brain.console.strays).endswith(b'"tick":fa')  # and the rest would be key presses


def test_one_step_of_the_world_is_a_real_check() -> None:
    world = playing(11, Hazards(), USB_MS)
    world._send("up", b" ")
    with pytest.raises(AssertionError):
        world.run(0.1)
    assert world.brain.console.settings_changed == 1
