"""Live sound as an `AudioSource`: opens the device, watches over it, opens it again for ever.

Threads: `read` and `close` belong to the DSP thread, and so does everything about the stream; PortAudio's callback lives in
`capture`. `health` copies one frozen value and may be called by anybody. Opening and closing can block inside a sound server
that does not answer, which is why they never happen on the event loop.

What PortAudio says is not enough. `active` stays True when a server hangs or a card is pulled, so the liveness clock runs on the
callbacks. A server that moves the stream to another source says nothing at all: it shows only where the clock steps by more than
20 ms (a new epoch, then), and not where the other source goes on without a gap.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from k1edge.audio.capture import InputStream, open_capture
from k1edge.audio.devices import DEFAULT_DEVICE
from k1edge.audio.source import AudioBlock, AudioHealth, AudioState
from k1edge.audio.stitch import Stitcher
from k1edge.errors import DeviceError
from k1edge.timebase import NS_PER_MS, NS_PER_S

FIRST_CALLBACK_NS: Final = 40 * NS_PER_S
"""A Bluetooth source or a cold sound server may take half a minute."""
SILENCE_NS: Final = 2 * NS_PER_S
"""No callback for this long from a stream that had them means it is dead, whatever `active` says."""

_BACKOFF_NS: Final = (250 * NS_PER_MS, 5 * NS_PER_S)
_PROVEN_NS: Final = 5 * NS_PER_S  # a stream that lived this long starts the back-off afresh
_SHOW_EVERY: Final = 10  # blocks: nobody reads health more often than ten times a second
_LOOK_S: Final = 0.25  # how often `active` is asked while nothing comes
_STALLED_SELF_NS: Final = NS_PER_S  # we were stopped ourselves, and so was the callback: silence does not count


class OpenStream(Protocol):
    """How a device is opened; `capture.open_capture` or a test's own."""

    def __call__(self, wanted: str, *, rescan: bool) -> InputStream:
        """See `capture.open_capture`."""
        ...


class LiveSource:
    """A sound input, by name, that comes back."""

    def __init__(
        self,
        device: str = DEFAULT_DEVICE,
        *,
        open_stream: OpenStream = open_capture,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; the device is opened by the first `read`.

        Args:
            device: exact name, unique prefix, ALSA card id, or "default".
            open_stream: how to open it.
            monotonic_ns: the host clock.
            sleep: how to wait while there is no stream.
        """
        self._wanted: Final = device
        self._open_stream: Final = open_stream
        self._monotonic_ns: Final = monotonic_ns
        self._sleep: Final = sleep
        self._stitcher: Final = Stitcher()
        self._stream: InputStream | None = None
        self._closed = False
        self._opened = 0  # times the device was opened
        self._attempts = 0
        self._retry_ns = 0  # not opened again before
        self._backoff_ns = _BACKOFF_NS[0]
        self._opened_ns = 0
        self._sign_ns = 0  # last sign of life
        self._looked_ns = 0
        self._heard = False  # a callback came since opening
        self._arrived_ns: int | None = None
        self._lapped_frames = 0
        self._shown = 0
        self._health = AudioHealth(
            state=AudioState.OPENING,
            reason="not opened yet",
            device=device,
            device_rate_hz=None,
            channels=None,
            age_ns=None,
            latency_ns=None,
            drift_ppm=None,
            clock_estimated=True,
            overruns=0,
            xruns=0,
            bad_samples=0,
            epoch=0,
            reopened=0,
        )

    def read(self, timeout_s: float) -> AudioBlock | None:
        """See `AudioSource.read`. May take longer than `timeout_s` while a device is opened or closed.

        Raises:
            DeviceError: the callback itself failed, which is a fault of ours; reading on opens the device again.
        """
        if self._closed:
            return None
        deadline_ns = self._monotonic_ns() + round(timeout_s * NS_PER_S)
        while True:
            if self._stream is None:
                self._try_open(deadline_ns)
            block = self._next_block(deadline_ns)
            if block is not None or self._monotonic_ns() >= deadline_ns:
                return block

    def health(self) -> AudioHealth:
        """See `AudioSource.health`."""
        health, arrived_ns = self._health, self._arrived_ns
        return health if arrived_ns is None else replace(health, age_ns=max(0, self._monotonic_ns() - arrived_ns))

    def renew(self) -> None:
        """See `AudioSource.renew`."""
        self._drop_stream()
        self._retry_ns = 0

    def close(self) -> None:
        """See `AudioSource.close`."""
        if not self._closed:
            self._closed = True
            self._health = replace(self._health, state=AudioState.ENDED, reason="closed")
            self._drop_stream()

    def _try_open(self, deadline_ns: int) -> None:
        """Open the device if it is time to; wait for that until the deadline."""
        now_ns = self._monotonic_ns()
        if now_ns < self._retry_ns:
            self._sleep(max(0, min(self._retry_ns, deadline_ns) - now_ns) / NS_PER_S)
            if self._monotonic_ns() < self._retry_ns:
                return
        self._attempts += 1
        try:
            # The first time PortAudio has only just read the list of devices; later it is out of date.
            stream = self._open_stream(self._wanted, rescan=self._attempts > 1)
        except DeviceError as error:
            self._back_off(AudioState.LOST, str(error))
            return
        self._stream = stream
        self._opened += 1
        self._heard = False
        self._opened_ns = self._sign_ns = self._looked_ns = self._monotonic_ns()
        self._stitcher.begin_stream(stream.rate_hz, stream.channels)
        self._health = replace(
            self._health,
            state=AudioState.OPENING,
            reason=f"{stream.device!r} is open; its first sound may take up to {FIRST_CALLBACK_NS // NS_PER_S} s",
            device=stream.device,
            device_rate_hz=stream.rate_hz,
            channels=stream.channels,
            reopened=self._opened - 1,
        )

    def _next_block(self, deadline_ns: int) -> AudioBlock | None:
        stream = self._stream
        if stream is None:
            return None
        now_ns = self._monotonic_ns()
        stamp = stream.next_stamp(min(_LOOK_S, max(0, deadline_ns - now_ns) / NS_PER_S))
        now_ns = self._monotonic_ns()
        if stamp is None:
            self._look_after(stream, now_ns)
            return None
        self._sign_ns = self._looked_ns = now_ns
        self._heard = True
        if now_ns - self._opened_ns > _PROVEN_NS:
            self._backoff_ns = _BACKOFF_NS[0]
        frames = stream.read(stamp)
        if frames is None:
            self._lapped_frames += stamp.frames
        block = self._stitcher.push(
            stamp.frame,
            frames,
            count=stamp.frames,
            adc_ns=stamp.adc_ns,
            arrival_ns=stamp.arrival_ns,
            overflow=stamp.overflow,
            now_ns=now_ns,
        )
        if block is not None:
            self._arrived_ns = stamp.arrival_ns
        self._show(live=block is not None)
        return block

    def _look_after(self, stream: InputStream, now_ns: int) -> None:
        """Nothing came: decide whether the stream is dead."""
        if now_ns - self._looked_ns > _STALLED_SELF_NS:
            self._sign_ns = now_ns
        self._looked_ns = now_ns
        name = stream.device
        if stream.failure is not None:
            failure = stream.failure
            self._back_off(AudioState.LOST, f"the capture callback failed ({failure!r}); this is a fault of k1edge, please report it")
            msg = f"{name!r}: the capture callback failed ({failure!r})"
            raise DeviceError(msg) from failure
        if not stream.active:
            self._back_off(
                AudioState.LOST, f"{name!r} has gone: unplugged, or its sound server ended; plug it in or start the server, it is retried"
            )
            return
        silent_ns = now_ns - self._sign_ns
        if silent_ns >= (SILENCE_NS if self._heard else FIRST_CALLBACK_NS):
            self._back_off(
                AudioState.STALLED,
                f"{name!r} is open, but no sound came for {silent_ns / NS_PER_S:.0f} s; it is opened again. "
                "If this stays: check the plug, and whether the sound server hangs or has suspended the source",
            )

    def _back_off(self, state: AudioState, reason: str) -> None:
        # Told first: closing can block for long inside a server that does not answer.
        self._health = replace(self._health, state=state, reason=reason)
        self._drop_stream()
        self._retry_ns = self._monotonic_ns() + self._backoff_ns
        self._backoff_ns = min(_BACKOFF_NS[1], self._backoff_ns * 2)

    def _drop_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _show(self, *, live: bool) -> None:
        stitcher = self._stitcher
        self._shown = (self._shown + 1) % _SHOW_EVERY
        if live and self._shown and self._health.state is AudioState.LIVE and self._health.epoch == stitcher.epoch:
            return
        fit = stitcher.fit
        self._health = replace(
            self._health,
            state=AudioState.LIVE if live else self._health.state,
            reason=None if live else self._health.reason,
            latency_ns=None if stitcher.latency_ns is None else round(stitcher.latency_ns),
            drift_ppm=None if fit is None else fit.drift_ppm,
            clock_estimated=fit is None or fit.estimated,
            overruns=self._lapped_frames + stitcher.dropped_frames,
            xruns=stitcher.xruns,
            bad_samples=stitcher.bad_samples,
            epoch=stitcher.epoch,
        )
