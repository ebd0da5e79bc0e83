"""A preallocated ring of audio frames, addressed by absolute frame index.

One writer (the PortAudio callback) and one reader (the DSP thread), without a lock: the writer owns `_claimed` and `_head`, the
reader owns `_lost`. The writer never waits; a reader that is lapped loses frames and is told so.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray


class FrameRing:
    """The last `capacity_frames` frames that were written."""

    def __init__(self, capacity_frames: int, channels: int) -> None:
        """Allocate everything now, so that the callback never does.

        Raises:
            ValueError: a capacity or a channel count below 1.
        """
        if capacity_frames < 1 or channels < 1:
            msg = f"a ring of {capacity_frames} frames x {channels} channels"
            raise ValueError(msg)
        self.capacity_frames: Final = capacity_frames
        self.channels: Final = channels
        self._frames: Final = np.zeros((capacity_frames, channels), np.float32)
        self._claimed = 0  # end of what the writer has begun to write: everything older than _claimed - capacity may be torn
        self._head = 0  # end of what is written
        self._lost = 0

    @property
    def head(self) -> int:
        """One past the newest frame."""
        return self._head

    @property
    def oldest(self) -> int:
        """The oldest frame that can still be read."""
        return max(0, self._claimed - self.capacity_frames)

    @property
    def overruns(self) -> int:
        """Frames that the reader asked for after they had been overwritten."""
        return self._lost

    def write(self, frames: NDArray[np.float32]) -> int:
        """Append `frames`, shape (n, channels), n >= 0; return the index of the first. Of more than a ringful only the tail is kept."""
        start = self._head
        end = start + len(frames)
        self._claimed = end
        kept = frames[-self.capacity_frames :]
        at = (end - len(kept)) % self.capacity_frames
        first = min(len(kept), self.capacity_frames - at)
        self._frames[at : at + first] = kept[:first]
        self._frames[: len(kept) - first] = kept[first:]
        self._head = end
        return start

    def read(self, start: int, count: int) -> NDArray[np.float32] | None:
        """Return a copy of the `count` frames from `start` on, shape (count, channels), or None where the writer has overtaken them.

        After None go on at `oldest` or later, in a new epoch: what lies between is counted in `overruns`.

        Raises:
            ValueError: frames that were not written yet, or a negative index or count.
        """
        if start < 0 or count < 0 or start + count > self._head:
            msg = f"frames {start} to {start + count} of a ring that ends at {self._head}"
            raise ValueError(msg)
        at = start % self.capacity_frames
        first = min(count, self.capacity_frames - at)
        copy = None
        if count <= self.capacity_frames:
            copy = np.concatenate((self._frames[at : at + first], self._frames[: count - first]))
        # Asked after the copy: the writer may have come round while it was made.
        overtaken = min(count, max(0, self.oldest - start))
        if overtaken or copy is None:
            self._lost += overtaken
            return None
        return copy
