"""Live sound: opening, watching, opening again, for every fault a sound server can stage."""

from types import SimpleNamespace

import numpy as np
import pytest

from k1edge.audio.source import AudioState
from k1edge.errors import DeviceError
from k1edge.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ

BLOCK_NS = 10 * NS_PER_MS


def test_sound_flows_with_its_time(stage: SimpleNamespace) -> None:
    card = stage.Card()
    source = stage.source(card)
    assert source.health().state is AudioState.OPENING
    blocks = stage.listen(card, source, 20.0)
    assert {block.epoch for block in blocks} == {0}
    assert blocks[0].start == 0
    health = source.health()
    assert (health.state, health.reason) == (AudioState.LIVE, None)
    assert (health.device, health.device_rate_hz, health.channels) == ("mic", 48_000, 2)
    assert (health.overruns, health.xruns, health.bad_samples, health.reopened, health.clock_estimated) == (0, 0, 0, 0, False)
    assert health.drift_ppm == pytest.approx(0.0, abs=1.0)
    last = blocks[-1]
    assert last.to_host is not None
    # Captured at began_ns + frames: true to the fit's own noise, none here.
    assert last.to_host.forward(last.start) == pytest.approx(card.streams[0].began_ns + last.start * NS_PER_S / SAMPLE_RATE_HZ, abs=200_000)
    assert health.latency_ns is not None
    assert 0 <= health.latency_ns < 12 * NS_PER_MS
    assert health.age_ns is not None
    assert health.age_ns < BLOCK_NS + 10_000
    source.close()
    source.close()
    assert card.streams[0].closed
    assert source.health().state is AudioState.ENDED
    assert source.read(1.0) is None


def test_fault_24_absent_at_boot_then_removed_then_back(stage: SimpleNamespace) -> None:
    card = stage.Card(gone=[(0.0, 20.0), (30.0, 33.0)])
    source = stage.source(card)
    assert source.read(1.0) is None
    assert source.health().state is AudioState.LOST
    assert "busy" in (source.health().reason or "")
    attempts = len(card.opens)
    assert attempts <= 4, "a busy loop"
    stage.listen(card, source, 19.0)
    waits = np.diff([when for when, _ in card.opens])
    assert waits.min() >= 0.25
    assert waits.max() == pytest.approx(5.0, abs=0.2)
    blocks = stage.listen(card, source, 30.5)
    assert blocks
    assert source.health().state is AudioState.LOST
    blocks += stage.listen(card, source, 60.0)
    assert source.health().state is AudioState.LIVE
    assert source.health().reopened == 1
    assert [block.epoch for block in blocks][-1] == 1
    assert card.opens[0][1] is False
    assert all(rescan for _, rescan in card.opens[1:]), "a device that came back is only found after a rescan"
    stage.holds_time(blocks)


def test_fault_25_silence_while_active_is_noticed_within_two_seconds(stage: SimpleNamespace) -> None:
    card = stage.Card(mute=[(10.0, 12.0)])
    source = stage.source(card)
    blocks = stage.listen(card, source, 12.4)
    assert len(card.opens) == 2
    assert 12.0 <= card.opens[1][0] <= 12.5
    card.first_callback_s = 1.0
    blocks += stage.listen(card, source, 20.0)
    assert source.health().reopened == 1
    assert source.health().state is AudioState.LIVE
    assert blocks[-1].epoch == 1
    stage.holds_time(blocks)


def test_fault_25_the_reason_is_told_before_the_stream_is_closed(stage: SimpleNamespace) -> None:
    card = stage.Card(mute=[(5.0, 1e6)])
    source = stage.source(card)
    stage.listen(card, source, 4.0)
    told: list[tuple[AudioState, str | None]] = []
    stream = card.streams[0]
    close = stream.close

    def slow_close() -> None:
        told.append((source.health().state, source.health().reason))
        close()

    stream.close = slow_close  # type: ignore[method-assign]  # a server that hangs can block here
    stage.listen(card, source, 8.0)
    assert told[0][0] is AudioState.STALLED
    assert "no sound came" in (told[0][1] or "")


@pytest.mark.parametrize(("first_s", "opens"), [(30.0, 1), (39.0, 1), (60.0, 2)])
def test_fault_26_the_first_callback_may_take_forty_seconds(stage: SimpleNamespace, first_s: float, opens: int) -> None:
    card = stage.Card(first_callback_s=first_s)
    source = stage.source(card)
    blocks = stage.listen(card, source, 41.0)
    assert len(card.opens) == opens
    assert bool(blocks) == (opens == 1)
    if opens == 2:
        assert card.opens[1][0] >= 40.0


def test_fault_30_a_server_that_ends_is_retried_and_named(stage: SimpleNamespace) -> None:
    card = stage.Card(gone=[(8.0, 9.0)])
    source = stage.source(card)
    blocks = stage.listen(card, source, 8.05)
    assert source.health().state is AudioState.LOST
    reason = source.health().reason or ""
    assert "'mic'" in reason
    assert "server" in reason
    blocks += stage.listen(card, source, 11.0)
    assert source.health().state is AudioState.LIVE
    back_s = next(when for when, _ in card.opens if when > 9.0)
    assert back_s < 10.1
    stage.holds_time(blocks)


def test_fault_31_a_failing_callback_is_told_and_opened_again(stage: SimpleNamespace) -> None:
    card = stage.Card()
    source = stage.source(card)
    stage.listen(card, source, 3.0)
    card.streams[0].failure = MemoryError("no frames left")
    with pytest.raises(DeviceError, match="no frames left"):
        source.read(1.0)
    assert "fault of k1edge" in (source.health().reason or "")
    assert stage.listen(card, source, 6.0)
    assert source.health().reopened == 1


def test_a_flapping_device_is_not_opened_in_a_loop(stage: SimpleNamespace) -> None:
    card = stage.Card(gone=[(second + 0.1, second + 0.2) for second in np.arange(0.0, 20.0, 0.2)])
    stage.listen(card, stage.source(card), 20.0)
    assert len(card.opens) < 12
