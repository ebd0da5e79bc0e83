"""The way to telemetry: whom a command listens to, with which token and which trust. What `watch` and `record` share."""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from k1edge.cli.audience import Wanted
from k1edge.cli.options import settings_from
from k1edge.cli.status import read
from k1edge.config import Settings
from k1edge.errors import ConfigError, K1EdgeError
from k1edge.report.interfaces import places
from k1edge.report.places import socket_candidates
from k1edge.report.target import Target, is_word, target
from k1edge.snapshot import NetworkStatus

PeersArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PEER]...", help="Address, name or id of a daemon; otherwise this host's own, else all.", show_default=False),
]
AllOption = Annotated[bool, typer.Option("--all", help="Everybody that multicast DNS finds, and network.peers.")]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token", metavar="T", envvar="K1EDGE_TOKEN", help="What the peers want shown, or the file that holds it; every peer gets it.",
        show_default=False,
    ),
]  # fmt: skip
SecondsOption = Annotated[
    float | None,
    typer.Option("--seconds", metavar="S", min=0.1, max=1e8, help="End after this long; otherwise by Ctrl-C.", show_default=False),
]
InsecureOption = Annotated[bool, typer.Option("--insecure", help="Take any certificate.")]
AuthorityOption = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="Trust this certificate (PEM) besides the usual ones.", show_default=False)
]


def wanted(config: Path | None, peers: Sequence[str], token: str | None, ca: Path | None, *, everybody: bool, insecure: bool) -> Wanted:
    """Make out who is meant.

    Raises:
        typer.BadParameter: an argument is no peer.
        ConfigError: the token or the certificate can't be read.
    """
    if everybody and peers:
        msg = "give PEERs or --all, not both"
        raise typer.BadParameter(msg, param_hint="--all")
    settings = settings_from(config, {})
    shown = _token(token or "")
    if not peers and not everybody:
        own = _own(settings)
        if own is not None:
            mine = shown or _token_or_none(settings.network.token)
            return Wanted((own,), token=mine, tls=_trust(ca, insecure=True), network=settings.network)
    try:
        targets = [target(peer) for peer in peers if not is_word(peer)]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="PEER") from error
    words = [peer for peer in peers if is_word(peer)]
    return Wanted(targets, words, not peers, shown, _trust(ca, insecure=insecure), settings.network)


def _own(settings: Settings) -> Target | None:
    """This host's daemon, by its own word over the Unix socket; nobody else can stand there, so its certificate need not name it."""
    try:
        network = read(socket_candidates(settings, os.environ)).network
    except K1EdgeError:
        return None
    if network is None or network.port is None:
        return None
    made = target(f"{'https' if network.tls else 'http'}://{_host(network)}:{network.port}")
    return Target("this host", made.urls)


def _host(network: NetworkStatus) -> str:
    """An address at which it listens."""
    if network.bind == "all":
        return "127.0.0.1"
    found = [address for place in places(network.bind) for address in (*place.v4, *(f"[{each}%{place.name}]" for each in place.v6))]
    return found[0] if found else f"[{network.bind}]" if ":" in network.bind else network.bind


def _token(given: str) -> str:
    """As given, or out of the file that is named."""
    if given.startswith("/"):
        try:
            given = Path(given).read_text("ascii")[:200].strip()
        except (OSError, ValueError) as error:
            msg = f"--token: {error}"
            raise ConfigError(msg) from error
    if not given.isascii() or not given.isprintable() or " " in given:
        msg = "a token is made of letters, digits and ._~+-"
        raise typer.BadParameter(msg, param_hint="--token")
    return given


def _token_or_none(given: str) -> str:
    """The daemon's own; we may not be allowed to read it."""
    try:
        return _token(given)
    except (ConfigError, typer.BadParameter):
        return ""


def _trust(ca: Path | None, *, insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except OSError as error:  # ssl.SSLError is one
            msg = f"--ca: {ca} holds no certificate in PEM ({error.strerror or error})"
            raise ConfigError(msg) from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def listen(*parts: Coroutine[Any, Any, None], seconds: float | None, ended: Callable[[], None] = lambda: None) -> None:
    """Run `parts` together until one ends or fails, SIGINT or SIGTERM comes, or `seconds` are over; then `ended`.

    Raises:
        K1EdgeError: what a part failed with.
    """

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError):  # not on the main thread
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        tasks = [asyncio.create_task(part) for part in parts]
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*tasks, stopping], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
        for task in done:
            task.result()

    try:
        asyncio.run(run())
    finally:
        ended()
