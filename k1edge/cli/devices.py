"""`k1edge devices`: what can be named in the configuration, and why something can't be listed."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from k1edge.cli.options import JsonOption
from k1edge.errors import K1EdgeError


class Kind(StrEnum):
    """What is listed."""

    AUDIO = "audio"
    SERIAL = "serial"


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """One kind of devices, or why there is no list.

    Attributes:
        devices: plain values by name, as in JSON.
        error: None when listing worked.
    """

    devices: Sequence[dict[str, Any]]
    error: str | None


def devices(
    kind: Annotated[Kind | None, typer.Argument(help="Which; otherwise both.", show_default=False)] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List sound inputs (for audio.device) and serial ports (for node.port), by the names that the configuration takes."""
    listings = {each: listing(_LISTERS[each]) for each in ([kind] if kind else Kind)}
    if as_json:
        print(json.dumps({each: dataclasses.asdict(found) for each, found in listings.items()}))
    else:
        _draw(listings)
    if all(found.error is not None for found in listings.values()):
        raise typer.Exit(1)


def listing(lister: Callable[[], Sequence[Any]]) -> Listing:
    """Ask the system; a failure becomes a reason. Broken drivers and libraries raise whatever they like."""
    try:
        return Listing([dataclasses.asdict(device) for device in lister()], None)
    except K1EdgeError as error:
        return Listing([], str(error))
    except Exception as error:  # noqa: BLE001 - the other kind can still be listed
        return Listing([], f"{type(error).__name__}: {error}")


def _audio() -> Sequence[Any]:
    from k1edge.audio.capture import list_devices  # noqa: PLC0415 - NumPy and PortAudio only where sound is asked for

    return list_devices()


def _serial() -> Sequence[Any]:
    from k1edge.link.device import list_ports  # noqa: PLC0415 - pyserial only where ports are asked for

    return list_ports()


_LISTERS: dict[Kind, Callable[[], Sequence[Any]]] = {Kind.AUDIO: _audio, Kind.SERIAL: _serial}


def _draw(listings: dict[Kind, Listing]) -> None:
    from rich.console import Console  # noqa: PLC0415 - scripts that ask for JSON do not pay for it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    console = Console()
    for kind, found in listings.items():
        title, columns, row, none = _LOOKS[kind]
        if not found.devices:
            console.print(Text(f"{title}: {found.error or none}", style="yellow"), soft_wrap=True)
            continue
        table = Table(*columns, title=title, title_justify="left", box=None, header_style="dim")
        for device in found.devices:
            table.add_row(*(Text(cell) for cell in row(device)))
        console.print(table)


def _audio_row(device: dict[str, Any]) -> list[str]:
    default = "default" if device["is_default"] else ""
    return [
        device["name"],
        device["card_id"] or "",
        device["host_api"],
        f"{device['default_rate_hz']} Hz",
        str(device["max_input_channels"]),
        default,
    ]


def _serial_row(device: dict[str, Any]) -> list[str]:
    usb = f"{device['vid']:04X}:{device['pid']:04X}" if device["vid"] is not None else ""
    name = f"{usb}:{device['serial']}" if usb and device["serial"] else usb
    return [device["by_id"] or device["path"], name, device["description"], "likely a K1" if device["likely_k1"] else ""]


_LOOKS: dict[Kind, tuple[str, tuple[str, ...], Callable[[dict[str, Any]], list[str]], str]] = {
    Kind.AUDIO: (
        "Sound inputs",
        ("name", "card", "through", "rate", "channels", ""),
        _audio_row,
        "none; plug a card in, or start the sound server",
    ),
    Kind.SERIAL: ("Serial ports", ("path", "VID:PID:SERIAL", "what it is", ""), _serial_row, "none; plug the node in"),
}
