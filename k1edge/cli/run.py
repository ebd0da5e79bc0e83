"""`k1edge run`: the daemon in the foreground, as systemd starts it."""

import asyncio
import gc
import os
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer

from k1edge.config import Settings, load
from k1edge.daemon import Daemon
from k1edge.daemon.state import load_identity
from k1edge.errors import ConfigError
from k1edge.report.log import set_up
from k1edge.report.places import socket_path, state_dir

log = structlog.get_logger(__name__)

INTERRUPTED = 130
"""128 + SIGINT, as a shell counts it."""


def run(
    *,
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Use this file instead of the usual ones.")] = None,
    device: Annotated[str | None, typer.Option(help="Capture device: name, unique beginning of it, or ALSA card id.")] = None,
    port: Annotated[str | None, typer.Option(help='Serial port of the node: a path, VID:PID[:SERIAL], "auto" or "off".')] = None,
    offset_ms: Annotated[float | None, typer.Option(help="Move every flash, ms; + = later.")] = None,
    socket: Annotated[str | None, typer.Option(metavar="PATH", help="Unix socket of the status.")] = None,
    state: Annotated[str | None, typer.Option("--state-dir", metavar="DIR", help="Folder of what is remembered.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, json or text.")] = None,
) -> None:
    """Listen to the room and make the node flash, until SIGTERM or Ctrl-C.

    SIGHUP reads the configuration again; a bad one is named in the log and the old one stays.
    """
    flags: dict[str, object] = {
        "audio.device": device,
        "node.port": port,
        "node.offset_ms": offset_ms,
        "status.socket": socket,
        "daemon.state_dir": state,
        "log.level": log_level,
        "log.format": log_format,
    }
    settings = load(config, os.environ, flags)
    set_up(settings.log.level, settings.log.format)
    asyncio.run(_serve(settings, config, flags, os.environ))


async def _serve(settings: Settings, config: Path | None, flags: Mapping[str, object], env: Mapping[str, str]) -> None:
    from k1edge.audio.capture import open_capture  # noqa: PLC0415 - resampling and capture load while the logs are up already
    from k1edge.audio.live import LiveSource  # noqa: PLC0415 - as above

    source = LiveSource(settings.audio.device, open_stream=partial(open_capture, most_channels=settings.audio.channels))
    daemon = Daemon(
        settings,
        source,
        identity=load_identity(state_dir(settings, env), settings.daemon.id),
        socket=socket_path(settings, env),
        env=env,
        state=state_dir(settings, env),
    )

    def reload() -> None:
        try:
            daemon.reload(load(config, env, flags))
        except ConfigError as error:
            log.error("the new configuration is wrong; the old one stays", why=str(error))  # noqa: TRY400 - the user's slip, no traceback

    handle_signals(daemon)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    gc.freeze()  # what is loaded by now stays: no collection has to walk it again
    await daemon.run()


def handle_signals(daemon: Daemon) -> None:
    """SIGTERM and SIGINT end `daemon` in order; a second SIGINT ends the process at once."""
    loop = asyncio.get_running_loop()
    interrupts = 0

    def interrupt() -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            os._exit(INTERRUPTED)  # the user has seen that the orderly way takes too long
        daemon.stop()

    loop.add_signal_handler(signal.SIGTERM, daemon.stop)
    loop.add_signal_handler(signal.SIGINT, interrupt)
