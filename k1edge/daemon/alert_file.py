"""Alerts that no hub has acknowledged, on disk, so that a restart does not lose them. The uplink's thread of the moment calls it."""

from collections.abc import Iterable
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from k1edge.daemon.state import read_json, set_aside, write_atomic
from k1edge.report.telemetry import AlertMessage

log = structlog.get_logger(__name__)

FILE_NAME = "alerts_waiting.json"

_MOST_BYTES = 8 << 20
"""As many alerts as the uplink keeps are some 2 MB."""

_ALERTS = TypeAdapter(list[AlertMessage])


class AlertFile:
    """See `uplink.AlertStore`.

    Args:
        folder: of the state; None = nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE_NAME

    def load(self) -> list[AlertMessage]:
        """Those that waited, oldest first; a damaged file is set aside."""
        stored = None if self._path is None else read_json(self._path, _MOST_BYTES)
        if self._path is None or stored is None:
            return []
        try:
            return _ALERTS.validate_python(stored.get("alerts"))
        except ValidationError:
            set_aside(self._path)
            return []

    def save(self, alerts: Iterable[AlertMessage]) -> None:
        """Keep these instead; a folder that can't be written costs the memory, nothing else."""
        if self._path is None:
            return
        bare = [AlertMessage.model_construct(**{name: getattr(alert, name) for name in AlertMessage.model_fields}) for alert in alerts]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, f'{{"version": 1, "alerts": {_ALERTS.dump_json(bare).decode()}}}\n')
        except OSError as error:
            log.warning("waiting alerts are not kept", path=str(self._path), why=str(error))
