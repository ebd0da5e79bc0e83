"""What happened on a node's port, in words and in order: what `k1edge node log` tells. Pure.

The node's thread adds; any thread reads. A full journal forgets the oldest.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from k1edge.timebase import HostTime

ENTRIES_KEPT = 500
"""A boot loop of an hour, or the whole of a panic dump with what led to it; 200 KB at most."""


class Kind(StrEnum):
    """What an entry is."""

    STATE = "state"  # of the link, with the reason
    TEXT = "text"  # a line of the node that was no message: boot text, a panic dump
    LOG = "log"  # a LOG of the node, with its level
    UNKNOWN = "unknown"  # a kind of reply that was not understood, once
    RESET = "reset"  # the node started anew, with the cause


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `number` grows by one from 1; `level` is that of a LOG, as syslog counts."""

    number: int
    at_ns: HostTime
    kind: Kind
    text: str
    level: int | None = None


class Journal:
    """The newest ENTRIES_KEPT entries."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=ENTRIES_KEPT)
        self._count = 0

    def add(self, at_ns: HostTime, kind: Kind, text: str, level: int | None = None) -> None:
        """Note what happened at `at_ns`."""
        self._count += 1
        self._entries.append(Entry(self._count, at_ns, kind, text, level))

    def since(self, number: int) -> tuple[Entry, ...]:
        """The entries after `number`, oldest first; 0 = all that are kept."""
        return tuple(entry for entry in tuple(self._entries) if entry.number > number)  # the inner copy is taken in one piece
