"""Which sound input is meant: by exact name, ALSA card id or unique prefix, never by index (an index moves at every replug). Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from k1edge.errors import DeviceError

DEFAULT_DEVICE: Final = "default"
"""Means the system's default input."""

_CARD_ID: Final = re.compile(r"^\s*(\d+)\s+\[(\S+)\s*\]", re.MULTILINE)
_HW_NUMBER: Final = re.compile(r"\(hw:(\d+),\d+\)")


@dataclass(frozen=True, slots=True)
class AudioDevice:
    """An input as the system lists it.

    Attributes:
        name: what `k1edge.toml` may name.
        host_api: "ALSA", "JACK Audio Connection Kit" ...
        max_input_channels: >= 1.
        default_rate_hz: the rate it is opened at.
        is_default: it is what "default" means now.
        card_id: ALSA's id of the card behind it; None for a virtual device.
    """

    name: str
    host_api: str
    max_input_channels: int
    default_rate_hz: int
    is_default: bool
    card_id: str | None


def choose(devices: Sequence[AudioDevice], wanted: str) -> int:
    """Return the position in `devices` of the one that `wanted` names: exact name, ALSA card id (`hw:CARD=id` or `id`) or unique prefix.

    Raises:
        DeviceError: none or several; the message lists the candidates.
    """
    if wanted in {"", DEFAULT_DEVICE}:
        chosen = [at for at, device in enumerate(devices) if device.is_default] or [
            at for at, device in enumerate(devices) if device.name == DEFAULT_DEVICE
        ]
        if chosen:
            return chosen[0]
        msg = f"no default sound input; {_candidates(devices)}"
        raise DeviceError(msg)
    card_id = wanted.removeprefix("plughw:").removeprefix("hw:").removeprefix("CARD=").split(",")[0]
    for matches in (
        [at for at, device in enumerate(devices) if device.name == wanted],
        [at for at, device in enumerate(devices) if device.card_id == card_id],
        [at for at, device in enumerate(devices) if device.name.lower().startswith(wanted.lower())],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            msg = f"sound input {wanted!r} is ambiguous; {_candidates([devices[at] for at in matches])}"
            raise DeviceError(msg)
    msg = f"no sound input {wanted!r}; {_candidates(devices)}"
    raise DeviceError(msg)


def _candidates(devices: Sequence[AudioDevice]) -> str:
    if not devices:
        return "PortAudio sees no input at all: plug one in, or start the sound server of this user"
    names = ", ".join(repr(device.name) + (f" (card {device.card_id})" if device.card_id else "") for device in devices)
    return f"give one of: {names}"


def card_ids(proc_asound_cards: str) -> dict[int, str]:
    """Return ALSA's card numbers and ids from the text of /proc/asound/cards."""
    return {int(number): card_id for number, card_id in _CARD_ID.findall(proc_asound_cards)}


def describe(entry: Mapping[str, Any], host_api: str, *, is_default: bool, cards: Mapping[int, str]) -> AudioDevice:
    """Turn PortAudio's description of a device into ours; `cards` are ALSA's card ids by number."""
    hardware = _HW_NUMBER.search(entry["name"])
    return AudioDevice(
        name=entry["name"],
        host_api=host_api,
        max_input_channels=entry["max_input_channels"],
        default_rate_hz=round(entry["default_samplerate"]),
        is_default=is_default,
        card_id=cards.get(int(hardware[1])) if hardware else None,
    )
