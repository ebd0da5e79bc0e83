"""Files and arrays as a source: streamed, placed exactly, paced by the given clock, and errors that tell the cure."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from k1edge.audio.replay import ArraySource, ReplaySource
from k1edge.audio.source import AudioBlock, AudioSource, AudioState, EndOfStreamError
from k1edge.errors import DeviceError
from k1edge.timebase import NS_PER_S, SAMPLE_RATE_HZ, HostTime


class FakeHost:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_ns = 5 * NS_PER_S
        self.slept_s = 0.0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += max(1, round(seconds * NS_PER_S))
        self.slept_s += seconds


def _song(rate: int, seconds: float = 1.5, channels: int = 1) -> np.ndarray:
    song = np.random.default_rng(3).normal(0.0, 0.1, (round(rate * seconds), channels)).astype(np.float32)
    return np.clip(song, -0.99, 0.99)


def _all(source: AudioSource) -> tuple[np.ndarray, list[AudioBlock]]:
    blocks: list[AudioBlock] = []
    while True:
        try:
            block = source.read(0.1)
        except EndOfStreamError:
            return np.concatenate([block.samples for block in blocks]), blocks
        if block is not None:
            blocks.append(block)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_sound_stays_at_its_place_in_every_format(tmp_path: Path, suffix: str, rate: int) -> None:
    song = _song(rate, 2.0)[:, 0]
    path = tmp_path / f"song.{suffix}"
    soundfile.write(path, song, rate)
    samples, _ = _all(ReplaySource(path))
    assert len(samples) == pytest.approx(2 * SAMPLE_RATE_HZ, abs=2)
    # Lossy codecs change a click's shape, but not where the whole correlates best.
    wanted = np.interp(np.arange(len(samples)) * rate / SAMPLE_RATE_HZ, np.arange(len(song)), song)
    likeness = np.fft.irfft(np.fft.rfft(samples, 1 << 18) * np.conj(np.fft.rfft(wanted, 1 << 18)))
    shift = int(np.argmax(likeness))
    assert min(shift, (1 << 18) - shift) <= 1


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (48_000, 2), (22_050, 1)])
def test_any_block_size_gives_the_same_samples(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, _song(rate, channels=channels), rate, subtype="FLOAT")
    wanted, _ = _all(ReplaySource(path))
    for block_frames in (64, 512, 1_024, 4_096, 100_000):
        samples, blocks = _all(ReplaySource(path, block_frames))
        assert np.array_equal(samples, wanted)
        assert all(len(block.samples) == block_frames for block in blocks[:-1])


def test_blocks_follow_each_other_and_have_no_host_time(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, _song(44_100), 44_100)
    source = ReplaySource(path)
    assert source.health().state is AudioState.OPENING
    _, blocks = _all(source)
    at = 0
    for block in blocks:
        assert block.start == at
        assert block.epoch == 0
        assert block.to_host is None
        assert block.samples.dtype == np.float32
        at += len(block.samples)
    assert source.start_ns is None
    assert source.duration_s == pytest.approx(1.5)
    assert source.health().state is AudioState.ENDED
    with pytest.raises(EndOfStreamError):
        source.read(0.0)


def test_an_array_and_a_file_of_it_are_the_same_source(tmp_path: Path) -> None:
    song = _song(48_000, channels=2)
    path = tmp_path / "song.wav"
    soundfile.write(path, song, 48_000, subtype="FLOAT")
    from_file, _ = _all(ReplaySource(path))
    from_memory, _ = _all(ArraySource(song, 48_000))
    assert np.array_equal(from_file, from_memory)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(44_100 * 30, np.float32), 44_100)
    source = ReplaySource(path)
    most = 0
    for _ in range(2_000):
        source.read(0.0)
        most = max(most, source._ready.nbytes)
    source.close()
    assert most < 64_000


def test_real_time_is_paced_and_stamped() -> None:
    host = FakeHost()
    source = ArraySource(_song(44_100, 1.0), realtime=True, monotonic_ns=host.monotonic_ns, sleep=host.sleep)
    began_ns = host.now_ns
    end = 0
    while True:
        try:
            block = source.read(0.5)
        except EndOfStreamError:
            break
        assert block is not None
        assert block.to_host is not None
        end = block.start + len(block.samples)
        # A block cannot be had before its last sample was in the air, and comes at once after.
        assert 0 <= host.now_ns - block.to_host.forward(end) + 1 < 1_000
        assert block.to_host.forward(0) == began_ns == source.start_ns
    assert end == SAMPLE_RATE_HZ
    assert host.slept_s == pytest.approx(1.0, abs=0.001)


def test_real_time_gives_up_after_the_timeout() -> None:
    host = FakeHost()
    source = ArraySource(
        _song(44_100),
        block_frames=4_410,
        realtime=True,
        start_ns=HostTime(host.now_ns + NS_PER_S),
        monotonic_ns=host.monotonic_ns,
        sleep=host.sleep,
    )
    assert source.read(0.25) is None
    assert host.now_ns == 5 * NS_PER_S + NS_PER_S // 4
    block = source.read(2.0)
    assert block is not None
    assert host.now_ns == pytest.approx(6.1 * NS_PER_S, abs=10)
    assert source.health().state is AudioState.LIVE
    host.sleep(0.2)
    assert source.health().age_ns == pytest.approx(0.2 * NS_PER_S, abs=10)


def test_fault_12_a_stalled_reader_gets_every_block_with_its_true_time() -> None:
    host = FakeHost()
    source = ArraySource(_song(44_100, 3.0), realtime=True, monotonic_ns=host.monotonic_ns, sleep=host.sleep)
    source.read(1.0)
    host.sleep(2.0)
    slept_s = host.slept_s
    late = [source.read(1.0) for _ in range(150)]
    assert host.slept_s == slept_s, "a late source waited"
    assert [block.start for block in late if block] == [441 * (number + 1) for number in range(150)]


def test_never_waits_when_not_in_real_time() -> None:
    host = FakeHost()
    _all(ArraySource(_song(44_100), monotonic_ns=host.monotonic_ns, sleep=host.sleep))
    assert host.slept_s == 0.0


def test_close_ends_the_stream_and_may_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, _song(44_100), 44_100)
    for source in (ReplaySource(path), ArraySource(_song(44_100))):
        source.read(0.0)
        source.close()
        source.close()
        with pytest.raises(EndOfStreamError):
            source.read(0.0)


def test_fault_29_nan_in_a_file_never_gets_through(tmp_path: Path) -> None:
    song = _song(48_000)
    song[1_000:1_010] = np.nan
    path = tmp_path / "nan.wav"
    soundfile.write(path, song, 48_000, subtype="FLOAT")
    source = ReplaySource(path)
    samples, _ = _all(source)
    assert np.isfinite(samples).all()
    assert source.health().bad_samples == 10


def _wav_header(rate: int, frames: int) -> bytes:
    def word(value: int) -> bytes:
        return value.to_bytes(4, "little")

    form = (1).to_bytes(2, "little") + (1).to_bytes(2, "little") + word(rate) + word(rate * 2) + b"\x02\x00\x10\x00"
    return b"RIFF" + word(36 + frames * 2) + b"WAVEfmt " + word(16) + form + b"data" + word(frames * 2) + bytes(frames * 2)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("empty.wav", b"", "empty"),
        ("text.wav", b"these are words, not sound\n" * 20, "not a sound file"),
        ("text.txt", b"these are words, not sound\n" * 20, "not a sound file"),
        ("headerless.raw", b"\x00\x01" * 500, "not a sound file"),
        ("nothing.wav", _wav_header(44_100, 0), "0 frames"),
        ("slow.wav", _wav_header(7, 100), "sample rate of 7 Hz"),
        ("fast.wav", _wav_header(100_000_000, 100), "sample rate of 100000000 Hz"),
    ],
)
def test_bad_files_are_refused_with_what_where_and_the_cure(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DeviceError, match=what) as caught:
        ReplaySource(path)
    assert str(path) in str(caught.value)
    assert ";" in str(caught.value), "no cure"


def test_missing_files_and_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="No such file"):
        ReplaySource(tmp_path / "absent.wav")
    with pytest.raises(DeviceError, match="directory"):
        ReplaySource(tmp_path)


def test_a_truncated_file_plays_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, _song(44_100, 3.0), 44_100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = ReplaySource(path)
    heard, over = 0, False
    while not over:
        try:
            block = source.read(0.0)
        except (EndOfStreamError, DeviceError):
            over = True
        else:
            heard += len(block.samples) if block else 0
    assert 44_100 < heard < 3 * 44_100


def test_arrays_without_sound_are_refused() -> None:
    with pytest.raises(DeviceError, match="0 frames"):
        ArraySource(np.zeros(0, np.float32))
    with pytest.raises(ValueError, match="block of 0"):
        ArraySource(np.zeros(10, np.float32), block_frames=0)
