"""The daemon: `daemon.Daemon` knows every room and wires them; read it after audio/, beat/ and link/."""

from k1edge.daemon.daemon import Daemon, PartFailedError
from k1edge.daemon.hearing import Heard

__all__ = ["Daemon", "Heard", "PartFailedError"]
