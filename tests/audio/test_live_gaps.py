"""Live sound: gaps, bursts, losses and bad samples, and time that stays one line over all of them."""

import itertools
from types import SimpleNamespace

import pytest

from k1edge.timebase import SAMPLE_RATE_HZ


def test_fault_27_a_backlog_in_one_burst_is_dropped_and_counted(stage: SimpleNamespace) -> None:
    card = stage.Card(hung=[(10.0, 11.8)])
    source = stage.source(card)
    blocks = stage.listen(card, source, 20.0)
    health = source.health()
    assert (health.reopened, health.epoch) == (0, 1)
    # What was up to half a second old is still used.
    assert health.overruns / 48_000 == pytest.approx(1.3, abs=0.05)
    stage.holds_time(blocks)
    burst = next(block for block in blocks if block.epoch == 1)
    assert burst.start / SAMPLE_RATE_HZ == pytest.approx(11.3, abs=0.1)


def test_fault_27_an_xrun_begins_an_epoch_that_jumps_by_the_time_lost(stage: SimpleNamespace) -> None:
    card = stage.Card(overflow=[10.0, 15.0])
    source = stage.source(card)
    blocks = stage.listen(card, source, 20.0)
    assert source.health().xruns == 2
    assert blocks[-1].epoch == 2
    jumps = [
        after.start - before.start - len(before.samples) for before, after in itertools.pairwise(blocks) if after.epoch != before.epoch
    ]
    # The 100 ms, and what the resampler still held of the old epoch.
    assert jumps == pytest.approx([4_410, 4_410], abs=600)
    stage.holds_time(blocks)


def test_fault_27_frames_that_vanish_unsaid_are_noticed(stage: SimpleNamespace) -> None:
    card = stage.Card(vanish=[10.0])
    source = stage.source(card)
    blocks = stage.listen(card, source, 30.0)
    assert blocks[-1].epoch == 1
    stage.holds_time(blocks)


def test_fault_27_a_lapped_reader_begins_an_epoch(stage: SimpleNamespace) -> None:
    card = stage.Card()
    source = stage.source(card)
    stage.listen(card, source, 5.0)
    card.streams[0].lapped = True
    blocks = stage.listen(card, source, 10.0)
    assert blocks[-1].epoch == 1
    assert source.health().overruns == 480


def test_fault_12_a_stopped_process_does_not_blame_the_device(stage: SimpleNamespace) -> None:
    card = stage.Card(hung=[(10.0, 16.0)])
    source = stage.source(card)
    blocks = stage.listen(card, source, 9.95)
    card.now_ns = stage.at_ns(16.0)  # SIGSTOP, SIGCONT: nobody waited for the callbacks
    blocks += stage.listen(card, source, 25.0)
    assert len(card.opens) == 1
    assert source.health().overruns / 48_000 == pytest.approx(5.5, abs=0.1)
    stage.holds_time(blocks)


def test_fault_29_another_rate_and_channel_count_after_reopening(stage: SimpleNamespace) -> None:
    card = stage.Card(gone=[(10.0, 11.0)])
    source = stage.source(card)
    blocks = stage.listen(card, source, 10.5)
    card.rate_hz, card.channels = 44_100, 1
    blocks += stage.listen(card, source, 20.0)
    assert (source.health().device_rate_hz, source.health().channels) == (44_100, 1)
    stage.holds_time(blocks)


def test_fault_29_nan_never_gets_through(stage: SimpleNamespace) -> None:
    card = stage.Card(nan=True, gone=[(2.0, 3.0)])
    source = stage.source(card)
    assert stage.listen(card, source, 2.0)  # finite, as listen checks
    before = source.health().bad_samples
    assert before > 0
    assert stage.listen(card, source, 10.0)
    assert source.health().reopened == 1
    assert source.health().bad_samples > before  # counts on over a reopening


def test_fault_21_after_the_host_slept_the_device_is_opened_again_and_its_clock_fitted_anew(stage: SimpleNamespace) -> None:
    card = stage.Card()
    source = stage.source(card)
    blocks = stage.listen(card, source, 15.0)
    assert source.health().drift_ppm is not None
    source.renew()
    blocks += stage.listen(card, source, 17.0)
    assert len(card.opens) == 2
    assert source.health().reopened == 1
    assert source.health().drift_ppm is None  # of the clock before nothing is believed but its rate as a hint
    assert blocks[-1].epoch == 1
    stage.holds_time(blocks)
