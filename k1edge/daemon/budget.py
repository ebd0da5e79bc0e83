"""How often a part may fail before the whole gives up and leaves the restart to systemd."""

from collections import deque

from k1edge.timebase import NS_PER_S, HostTime

WINDOW_NS = 60 * NS_PER_S
"""Failures further back than this are forgiven."""

BACK_OFF_FIRST_NS = NS_PER_S // 4
BACK_OFF_LAST_NS = 5 * NS_PER_S


class RestartBudget:
    """Allows `limit` restarts a minute, with a growing pause before each. Owned by the event loop.

    Args:
        limit: restarts allowed within `WINDOW_NS`; the next one is refused.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._recent_ns: deque[HostTime] = deque()
        self.total = 0

    def spend(self, now: HostTime) -> int | None:
        """Account for one failure at `now`: nanoseconds to wait before the restart, or None when the budget is spent."""
        while self._recent_ns and now - self._recent_ns[0] > WINDOW_NS:
            self._recent_ns.popleft()
        if len(self._recent_ns) >= self._limit:
            return None
        self._recent_ns.append(now)
        self.total += 1
        return int(min(BACK_OFF_FIRST_NS << (len(self._recent_ns) - 1), BACK_OFF_LAST_NS))
