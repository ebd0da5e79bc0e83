"""The sound card through PortAudio: which device, opening it, and the callback. Nothing here decides what to do about a fault.

Threads: everything runs on the DSP thread, except `CaptureStream._callback` and `_finished` (PortAudio's own thread). The callback
copies into the ring, stamps, and hands the stamp over; the DSP thread takes it from the queue.
"""

import contextlib
import queue
import time
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from k1edge.audio.devices import AudioDevice, card_ids, choose, describe
from k1edge.audio.resample import MAX_RATE_HZ, MIN_RATE_HZ
from k1edge.audio.ring import FrameRing
from k1edge.errors import DeviceError
from k1edge.timebase import NS_PER_S

_MAX_CHANNELS: Final = 2  # PipeWire scales a mono capture of a stereo source by 1.414; two channels mixed down are right everywhere
_BLOCKS_PER_S: Final = 100  # 10 ms: PulseAudio's own grain; odd sizes arrive in pairs and bursts (sd 6 ms instead of 0.2)
_LATENCY_S: Final = 0.03  # three blocks of buffer; with more, several blocks arrive at once and each beat is known later
_RING_S: Final = 6.0  # longer than the worst backlog (4 s)
_MAX_STAMPS: Final = 4_096

_CARDS: Final = Path("/proc/asound/cards")


class Stamp(NamedTuple):
    """One callback: which frames came when.

    Attributes:
        frame: ring index of its first frame.
        frames: how many.
        adc_ns: when the first frame was captured, host clock, as the driver says (unchecked); None where it says nothing.
        arrival_ns: host time at which the callback ran.
        overflow: the driver lost frames before this block.
    """

    frame: int
    frames: int
    adc_ns: int | None
    arrival_ns: int
    overflow: bool


class InputStream(Protocol):
    """An open input, as `LiveSource` sees it; what a test fakes."""

    device: str
    rate_hz: int
    channels: int

    @property
    def active(self) -> bool:
        """False once the driver has given up."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """What the callback died of."""
        ...

    def next_stamp(self, timeout_s: float) -> Stamp | None:
        """Wait up to `timeout_s` for the next callback; None when there was none, or at once where the stream has ended."""
        ...

    def read(self, stamp: Stamp) -> NDArray[np.float32] | None:
        """Return that callback's frames, shape (frames, channels), or None where the reader was lapped."""
        ...

    def close(self) -> None:
        """Give the device back; may be called twice; never raises."""
        ...


def list_devices() -> list[AudioDevice]:
    """All inputs PortAudio knows.

    Raises:
        DeviceError: PortAudio is missing or cannot start.
    """
    return [device for _, device in _inputs(_portaudio())]


def open_capture(wanted: str, *, rescan: bool, most_channels: int = _MAX_CHANNELS) -> InputStream:
    """Open the input that `wanted` names at its own rate, and start it.

    Args:
        wanted: see `choose`.
        rescan: re-initialise PortAudio first, which otherwise knows only the devices of its start. No stream may be open.
        most_channels: captured and mixed down, as far as the device has them.

    Raises:
        DeviceError: absent, ambiguous, busy, refused, or no PortAudio.
    """
    portaudio = _portaudio()
    if rescan:
        _rescan(portaudio)
    inputs = _inputs(portaudio)
    index, device = inputs[choose([device for _, device in inputs], wanted)]
    if not MIN_RATE_HZ <= device.default_rate_hz <= MAX_RATE_HZ:
        msg = f"sound input {device.name!r} claims a rate of {device.default_rate_hz} Hz; check its driver"
        raise DeviceError(msg)
    return CaptureStream(portaudio, index, device, most_channels)


class CaptureStream:
    """A running PortAudio input stream."""

    def __init__(self, portaudio: Any, index: int, device: AudioDevice, most_channels: int) -> None:
        """Open and start input number `index` of PortAudio's present list, up to `most_channels` of it.

        Raises:
            DeviceError: PortAudio refused.
        """
        self.device: str = device.name
        self.rate_hz: int = device.default_rate_hz
        self.channels: int = min(most_channels, device.max_input_channels)
        self._ring: Final = FrameRing(round(_RING_S * self.rate_hz), self.channels)
        self._stamps: Final[queue.SimpleQueue[Stamp | None]] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._ended = False
        self._closed = False
        self._portaudio: Final = portaudio
        try:
            self._stream = portaudio.InputStream(
                device=index,
                channels=self.channels,
                samplerate=self.rate_hz,
                blocksize=max(1, self.rate_hz // _BLOCKS_PER_S),
                latency=_LATENCY_S,
                dtype="float32",
                clip_off=True,
                dither_off=True,
                callback=self._callback,
                finished_callback=self._finished,
            )
        except (portaudio.PortAudioError, ValueError, OSError) as error:
            raise DeviceError(_why_not_open(device.name, error)) from error
        try:
            self._stream.start()
        except portaudio.PortAudioError as error:
            self.close()
            raise DeviceError(_why_not_open(device.name, error)) from error

    @property
    def active(self) -> bool:
        """See `InputStream.active`."""
        if self._ended or self._closed:
            return False
        try:
            return bool(self._stream.active)
        except self._portaudio.PortAudioError:
            return False

    @property
    def failure(self) -> BaseException | None:
        """See `InputStream.failure`."""
        return self._failure

    def next_stamp(self, timeout_s: float) -> Stamp | None:
        """See `InputStream.next_stamp`."""
        try:
            return self._stamps.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None

    def read(self, stamp: Stamp) -> NDArray[np.float32] | None:
        """See `InputStream.read`."""
        return self._ring.read(stamp.frame, stamp.frames)

    def close(self) -> None:
        """See `InputStream.close`."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(self._portaudio.PortAudioError):  # it is being thrown away: a dead server refuses even this
                self._stream.close(ignore_errors=True)

    def _callback(self, indata: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        try:
            now_ns = time.monotonic_ns()
            # PortAudio's clock is REALTIME behind a sound server and MONOTONIC on ALSA: only its distance to now counts.
            age_s = self._stream.time - times.inputBufferAdcTime
            adc_ns = now_ns - round(age_s * NS_PER_S)
            start = self._ring.write(indata)
            if self._stamps.qsize() < _MAX_STAMPS:  # a reader that hangs must not cost memory without end; it will be lapped anyway
                self._stamps.put(Stamp(start, frames, adc_ns, now_ns, bool(status.input_overflow)))
        except BaseException as error:
            self._failure = error  # told by the reader; raised here it would only be printed
            raise self._portaudio.CallbackAbort from error

    def _finished(self) -> None:
        self._ended = True
        self._stamps.put(None)  # wakes the reader


def _portaudio() -> Any:
    """Import sounddevice, late: the import itself starts PortAudio and fails where a library or ALSA's configuration is bad."""
    try:
        import sounddevice  # noqa: PLC0415  (see above; everything that needs no sound card must work without it)
    except OSError as error:
        msg = f"PortAudio cannot be loaded ({error}); on Debian: apt install libportaudio2"
        raise DeviceError(msg) from error
    except ImportError as error:
        msg = f"the Python package sounddevice is missing ({error}); pip install sounddevice"
        raise DeviceError(msg) from error
    except Exception as error:
        # PortAudioError is out of reach when its module did not load.
        msg = f"PortAudio cannot start ({error}); check ALSA's configuration (~/.asoundrc, /etc/asound.conf) with `arecord -L`"
        raise DeviceError(msg) from error
    return sounddevice


def _rescan(portaudio: Any) -> None:
    # sounddevice has no public call for it; both names have been stable since 0.3.
    try:
        while portaudio._initialized:  # noqa: SLF001  (as above)
            portaudio._terminate()  # noqa: SLF001
        portaudio._initialize()  # noqa: SLF001
    except portaudio.PortAudioError as error:
        msg = f"PortAudio cannot start again ({error}); check the sound server and ALSA's configuration with `arecord -L`"
        raise DeviceError(msg) from error


def _inputs(portaudio: Any) -> list[tuple[int, AudioDevice]]:
    try:
        apis = portaudio.query_hostapis()
        default = apis[0]["default_input_device"] if apis else None
        try:
            cards = card_ids(_CARDS.read_text(encoding="utf-8", errors="replace"))
        except OSError:  # a container, or a kernel without sound
            cards = {}
        return [
            (entry["index"], describe(entry, apis[entry["hostapi"]]["name"], is_default=entry["index"] == default, cards=cards))
            for entry in portaudio.query_devices()
            if entry["max_input_channels"] > 0
        ]
    except portaudio.PortAudioError as error:
        msg = f"PortAudio cannot list its devices ({error}); check the sound server and ALSA's configuration with `arecord -L`"
        raise DeviceError(msg) from error


def _why_not_open(name: str, error: Exception) -> str:
    code = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else None
    if code == -9985:  # paDeviceUnavailable
        return f"sound input {name!r} is busy or gone ({error}); stop the program that holds it (fuser -v /dev/snd/*), it is retried"
    if code == -9993:  # paBadIODeviceCombination: what a plugin without its server gives
        return f"sound input {name!r}: its sound server does not answer ({error}); start it for this user, it is retried"
    return f"sound input {name!r} cannot be opened ({error}); it is retried"
