"""The way to a node: through the running daemon where that has it, else its port. What the verbs of `k1edge node` share."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from k1edge.cli.options import settings_from
from k1edge.cli.status import read
from k1edge.config import NodeSettings
from k1edge.errors import DeviceError
from k1edge.link.address import find
from k1edge.link.device import list_ports
from k1edge.link.port_status import NodePort, node_port
from k1edge.report.places import socket_candidates
from k1edge.snapshot import NodeStatus, Snapshot

PortArgument = Annotated[
    str | None,
    typer.Argument(metavar="PORT", help="A path or VID:PID[:SERIAL]; otherwise the daemon's, or as configured.", show_default=False),
]
SocketOption = Annotated[
    str | None, typer.Option("--socket", metavar="PATH", help="Where the daemon listens; otherwise as configured.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class Ways:
    """What is known of how a node can be reached.

    Attributes:
        node: the settings in force.
        sockets: where a daemon may listen.
        daemon: its picture; None where none runs, or none that we may ask.
    """

    node: NodeSettings
    sockets: Sequence[Path]
    daemon: Snapshot | None

    def through_daemon(self, port: str | None) -> NodeStatus | None:
        """What the daemon knows of the node on `port` (None: its own); None where that is none of its business."""
        held = None if self.daemon is None else self.daemon.node
        if held is None or port is None:
            return held
        path = self.path(port) or port
        return held if port == held.port or os.path.realpath(path) == os.path.realpath(held.port) else None

    def path(self, port: str | None) -> str:
        """The device for `port` (None: as configured).

        Raises:
            DeviceError: there is none; the message says what to do.
        """
        wanted = port or ("auto" if self.node.port == "off" else self.node.port)
        found = find(wanted, list_ports(), unique_id=self.node.unique_id or None, met_serial=None, attempt=0)
        if found.path is None:
            raise DeviceError(found.reason or f"no device for {wanted}")
        return found.path

    def node_port(self, port: str | None) -> NodePort:
        """The device for `port` as the link takes it; errors as `path`."""
        return node_port(self.node.model_copy(update={"port": self.path(port)}))


def ways(config: Path | None, socket: str | None) -> Ways:
    """Look for a daemon."""
    settings = settings_from(config, {"status.socket": str(Path(socket).absolute()) if socket else None})
    sockets = socket_candidates(settings, os.environ)
    try:
        daemon = read(sockets)
    except DeviceError:
        if socket is not None:
            raise
        daemon = None
    return Ways(settings.node, sockets, daemon)
