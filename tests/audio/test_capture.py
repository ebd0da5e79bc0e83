"""PortAudio's edge, with PortAudio replaced: which device, at which rate, what the callback hands over, what each failure says."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from k1edge.audio import capture
from k1edge.audio.devices import AudioDevice, card_ids, choose
from k1edge.errors import DeviceError
from k1edge.timebase import NS_PER_MS

CARDS = """ 0 [vc4hdmi0       ]: vc4-hdmi - vc4-hdmi-0
                      vc4-hdmi-0
 1 [Device         ]: USB-Audio - USB PnP Sound Device
                      C-Media USB PnP Sound Device at usb-0000:01:00.0-1.2, full speed
"""
ENTRIES = [
    ("vc4-hdmi-0: MAI PCM i2s-hifi-0 (hw:0,0)", 0, 48_000.0),
    ("USB PnP Sound Device: Audio (hw:1,0)", 1, 48_000.0),
    ("pulse", 32, 44_100.0),
    ("pulse monitor", 32, 44_100.0),
    ("default", 32, 44_100.0),
]


class PortAudioError(Exception):
    pass


class CallbackAbort(Exception):  # noqa: N818  (sounddevice's name)
    pass


class FakeInput:
    opened: "list[FakeInput]" = []  # noqa: RUF012  (what the test looks at; emptied by its fixture)

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.active = False
        self.time = 1.8e9
        FakeInput.opened.append(self)

    def start(self) -> None:
        self.active = True

    def close(self, *, ignore_errors: bool) -> None:
        assert ignore_errors
        self.active = False

    def call(self, frames: np.ndarray, *, age_s: float = 0.01, overflow: bool = False) -> None:
        times = SimpleNamespace(inputBufferAdcTime=self.time - age_s)
        self.options["callback"](frames, len(frames), times, SimpleNamespace(input_overflow=overflow))


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    FakeInput.opened = []
    fake = SimpleNamespace(PortAudioError=PortAudioError, CallbackAbort=CallbackAbort, InputStream=FakeInput, _initialized=1, scans=0)
    fake.query_hostapis = lambda: ({"name": "ALSA", "default_input_device": 4},)
    fake.query_devices = lambda: [
        {"index": index, "name": name, "hostapi": 0, "max_input_channels": channels, "default_samplerate": rate}
        for index, (name, channels, rate) in enumerate(ENTRIES)
    ]

    def terminate() -> None:
        fake._initialized -= 1

    def initialize() -> None:
        fake._initialized += 1
        fake.scans += 1

    fake._terminate, fake._initialize = terminate, initialize
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    cards = tmp_path / "cards"
    cards.write_text(CARDS)
    monkeypatch.setattr(capture, "_CARDS", cards)
    return fake


def test_lists_inputs_only(portaudio: SimpleNamespace) -> None:
    devices = capture.list_devices()
    assert [device.name for device in devices] == [name for name, channels, _ in ENTRIES if channels]
    assert devices[0] == AudioDevice("USB PnP Sound Device: Audio (hw:1,0)", "ALSA", 1, 48_000, is_default=False, card_id="Device")
    assert [device.name for device in devices if device.is_default] == ["default"]
    assert portaudio.scans == 0


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("pulse", "pulse"),  # exact wins over being a prefix of another
        ("pulse m", "pulse monitor"),
        ("usb pnp", "USB PnP Sound Device: Audio (hw:1,0)"),
        ("hw:CARD=Device", "USB PnP Sound Device: Audio (hw:1,0)"),
        ("plughw:CARD=Device,DEV=0", "USB PnP Sound Device: Audio (hw:1,0)"),
        ("Device", "USB PnP Sound Device: Audio (hw:1,0)"),
        ("default", "default"),
        ("", "default"),
    ],
)
def test_fault_24_a_device_is_found_by_name_prefix_or_card(portaudio: SimpleNamespace, wanted: str, name: str) -> None:
    devices = capture.list_devices()
    assert devices[choose(devices, wanted)].name == name
    moved = list(reversed(devices))  # the same devices under other indices
    assert moved[choose(moved, wanted)].name == name
    assert portaudio.scans == 0


@pytest.mark.parametrize(
    ("wanted", "told"), [("pul", "ambiguous"), ("1", "no sound input"), ("vc4", "no sound input"), ("hw:1,0", "no sound input")]
)
def test_what_is_not_clear_is_refused_with_the_candidates(portaudio: SimpleNamespace, wanted: str, told: str) -> None:
    with pytest.raises(DeviceError, match=told) as caught:
        choose(capture.list_devices(), wanted)
    assert "'pulse monitor'" in str(caught.value)
    assert portaudio.scans == 0


def test_no_device_at_all_names_the_cure() -> None:
    for wanted in ("default", "mic"):
        with pytest.raises(DeviceError, match="plug one in"):
            choose([], wanted)


def test_card_ids_of_an_empty_machine() -> None:
    assert card_ids("--- no soundcards ---\n") == {}


def test_opens_at_the_devices_own_rate_in_ten_milliseconds(portaudio: SimpleNamespace) -> None:
    stream = capture.open_capture("Device", rescan=False)
    options = FakeInput.opened[0].options
    assert (options["device"], options["samplerate"], options["blocksize"], options["channels"]) == (1, 48_000, 480, 1)
    assert (stream.rate_hz, stream.channels, stream.active, portaudio.scans) == (48_000, 1, True, 0)
    stream.close()
    stream.close()
    assert not stream.active
    capture.open_capture("pulse", rescan=True)
    assert FakeInput.opened[1].options["channels"] == 2
    assert (portaudio.scans, portaudio._initialized) == (1, 1)


@pytest.mark.usefixtures("portaudio")
def test_the_callback_copies_stamps_and_hands_over() -> None:
    stream = capture.open_capture("pulse", rescan=False)
    fake = FakeInput.opened[0]
    buffer = np.full((441, 2), 0.5, np.float32)
    before_ns = time.monotonic_ns()
    fake.call(buffer, age_s=0.02)
    after_ns = time.monotonic_ns()
    buffer[:] = 0.0  # PortAudio uses its buffer again
    fake.call(buffer, overflow=True)
    first, second = stream.next_stamp(0.0), stream.next_stamp(0.0)
    assert first is not None
    assert second is not None
    assert (first.frame, first.frames, first.overflow) == (0, 441, False)
    assert (second.frame, second.frames, second.overflow) == (441, 441, True)
    assert before_ns <= first.arrival_ns <= after_ns
    # Whatever PortAudio's clock is based on, only its distance to now is used.
    assert first.adc_ns is not None
    assert first.arrival_ns - first.adc_ns == pytest.approx(20 * NS_PER_MS, abs=1_000)
    frames = stream.read(first)
    assert frames is not None
    assert (frames == 0.5).all()
    assert stream.next_stamp(0.0) is None


@pytest.mark.usefixtures("portaudio")
def test_fault_31_an_exception_in_the_callback_is_kept() -> None:
    stream = capture.open_capture("pulse", rescan=False)
    with pytest.raises(CallbackAbort):
        FakeInput.opened[0].call(np.zeros((441, 5), np.float32))
    assert isinstance(stream.failure, ValueError)


@pytest.mark.usefixtures("portaudio")
def test_a_reader_that_hangs_costs_no_memory() -> None:
    stream = capture.open_capture("pulse", rescan=False)
    for _ in range(5_000):
        FakeInput.opened[0].call(np.zeros((441, 2), np.float32))
    taken = 0
    while (stamp := stream.next_stamp(0.0)) is not None:
        taken += 1
        if taken == 1:
            assert stream.read(stamp) is None, "lapped, and not told"
    assert taken == 4_096


@pytest.mark.usefixtures("portaudio")
def test_fault_30_a_stream_that_ends_wakes_the_reader() -> None:
    stream = capture.open_capture("pulse", rescan=False)
    FakeInput.opened[0].options["finished_callback"]()
    assert stream.next_stamp(60.0) is None
    assert not stream.active


@pytest.mark.parametrize(("code", "told"), [(-9985, "busy"), (-9993, "sound server does not answer"), (-9999, "cannot be opened")])
def test_fault_30_a_refusal_names_the_device_and_the_cure(
    portaudio: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, code: int, told: str
) -> None:
    def refuse(**_: Any) -> None:
        msg = "Error opening InputStream"
        raise PortAudioError(msg, code)

    monkeypatch.setattr(portaudio, "InputStream", refuse)
    with pytest.raises(DeviceError, match=told) as caught:
        capture.open_capture("Device", rescan=False)
    assert "USB PnP Sound Device" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "cure"),
    [
        ("raise OSError('PortAudio library not found')", "apt install libportaudio2"),
        ("raise ImportError('no cffi')", "pip install sounddevice"),
        ("raise RuntimeError('Error initializing PortAudio')", "ALSA's configuration"),
    ],
)
def test_fault_53_without_portaudio_the_rest_lives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, cure: str) -> None:
    (tmp_path / "sounddevice.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(DeviceError, match=cure):
        capture.list_devices()


def test_fault_30_portaudio_that_cannot_start_again_is_told(portaudio: SimpleNamespace) -> None:
    def refuse() -> None:
        msg = "Error initializing PortAudio"
        raise PortAudioError(msg)

    portaudio._initialize = refuse
    with pytest.raises(DeviceError, match="cannot start again"):
        capture.open_capture("pulse", rescan=True)
