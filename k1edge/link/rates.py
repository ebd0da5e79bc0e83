"""What is remembered of the clocks of nodes met before: their rate, by the node's own id. Small, and only ever a hint.

Pure. `learn` is called in the node's thread, everything else in any: the dict is never changed, only replaced.
"""

from collections.abc import Mapping

MOST_NODES = 64
"""More are not met by one host; the one met longest ago is forgotten."""

SANE_PPM = 600.0
"""No crystal is off by more: a rate beyond it was a clock in trouble."""

ID_CHARS = 64


class RateMemory:
    """Rates by node, ppm against the host's clock, + = fast.

    Args:
        known: from before, the one met longest ago first; what is not sane is left out.
    """

    def __init__(self, known: Mapping[str, float] | None = None) -> None:
        self._ppm: dict[str, float] = {}
        for unique_id, ppm in (known or {}).items():
            self.learn(unique_id, ppm)

    def recall(self, unique_id: str) -> float | None:
        """Return the rate that this node had, None for a stranger."""
        return self._ppm.get(unique_id)

    def learn(self, unique_id: str, ppm: float) -> None:
        """Take a rate that rests on enough; nothing where it is not sane."""
        if not abs(ppm) <= SANE_PPM or not 0 < len(unique_id) <= ID_CHARS:
            return
        fresh = {other: rate for other, rate in self._ppm.items() if other != unique_id}
        fresh[unique_id] = ppm
        while len(fresh) > MOST_NODES:
            del fresh[next(iter(fresh))]
        self._ppm = fresh

    def known(self) -> Mapping[str, float]:
        """All of them, as they are now."""
        return self._ppm
