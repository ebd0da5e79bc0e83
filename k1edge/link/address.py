"""Which serial device is the node's: `node.port` and what was learned of the node, against what is plugged in. Pure.

A name like ttyACM0 says nothing: it goes to whatever was plugged in first. So a node is found by VID:PID:SERIAL, by its by-id path, or, with
`auto`, as the one device with an ESP32-S3's own USB port; and once a node was met, another board in its place is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_VID_PID = re.compile(r"(?P<vid>[0-9A-Fa-f]{4}):(?P<pid>[0-9A-Fa-f]{4})(?::(?P<serial>.+))?")


@dataclass(frozen=True, slots=True)
class SerialDevice:
    """One serial device of this host.

    Attributes:
        path: such as /dev/ttyACM0.
        by_id: the path below /dev/serial/by-id, which survives a replug.
        vid: USB vendor.
        pid: USB product.
        serial: USB serial number; the MAC address on an ESP32-S3.
        description: for people.
        likely_k1: it has an ESP32-S3's own USB port; what `auto` looks for.
    """

    path: str
    by_id: str | None
    vid: int | None
    pid: int | None
    serial: str | None
    description: str
    likely_k1: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Where to try next, and why not where `path` is None. `serial` is the device's USB serial number, None where it has none."""

    path: str | None
    serial: str | None
    reason: str | None


def find(port: str, devices: Sequence[SerialDevice], *, unique_id: str | None, met_serial: str | None, attempt: int) -> Found:
    """Choose the device to open.

    Args:
        port: "auto", "VID:PID[:SERIAL]" or a path.
        devices: what is plugged in.
        unique_id: the node's pinned id; an ESP32-S3 has the same in its USB serial number, otherwise every candidate is tried in turn.
        met_serial: the USB serial number of the node met before on this port; only that one is taken again.
        attempt: counts the tries, for taking turns.
    """
    match = _VID_PID.fullmatch(port)
    if port != "auto" and match is None:
        named = next((device.serial for device in devices if device.path == port), None)
        return Found(port, named, None)
    matching = [device for device in devices if _matches(device, match)]
    if not matching:
        what = f"serial device {port}" if match else "K1 (USB 303A:1001)"
        return Found(None, None, f"no {what} is plugged in; plug the node in, or set node.port (`k1edge devices serial` lists the ports)")
    known = [d for d in matching if d.serial is not None and (same_id(d.serial, unique_id) or same_id(d.serial, met_serial))]
    if known:
        return Found(known[0].path, known[0].serial, None)
    if met_serial is not None:
        others = ", ".join(str(device.serial) for device in matching)
        return Found(
            None, None, f"another board is plugged in ({others}), not the node met before ({met_serial}); plug that in, or restart k1edge"
        )
    if len(matching) > 1 and unique_id is None:
        names = ", ".join(f"{device.path} ({device.serial})" for device in matching)
        return Found(None, None, f"{len(matching)} boards match {port}: {names}; set node.port to VID:PID:SERIAL of one, or node.unique_id")
    chosen = matching[attempt % len(matching)]
    return Found(chosen.path, chosen.serial, None)


def wrong_board(told: str | None, pinned: str | None) -> str | None:
    """Why the node that told this id is not the pinned one; None where it is, or none is pinned."""
    if pinned is None or same_id(pinned, told):
        return None
    if told is None:
        return f"the node does not tell its unique id, and {pinned} is pinned; remove node.unique_id or set node.port to its by-id path"
    return f"another board: {told}, not {pinned}; plug that one in, or correct node.unique_id"


def same_id(one: str, other: str | None) -> bool:
    """Whether two ids are one: case and the separators of a MAC address do not count."""
    return other is not None and _bare(one) == _bare(other)


def _bare(text: str) -> str:
    return re.sub(r"[:\-\s]", "", text).casefold()


def _matches(device: SerialDevice, match: re.Match[str] | None) -> bool:
    if match is None:
        return device.likely_k1
    serial = match["serial"]
    same_type = (device.vid, device.pid) == (int(match["vid"], 16), int(match["pid"], 16))
    return same_type and (serial is None or (device.serial is not None and same_id(device.serial, serial)))
