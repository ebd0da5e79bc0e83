"""What we say of ourselves by multicast DNS: the name, and the words of the TXT record. Pure."""

from k1edge import __version__
from k1edge.report.peer_table import DEFAULT_PATH, plain
from k1edge.report.telemetry import SCHEMA_VERSION

TXT_VERSION = 1
"""Of the keys below; grows when one changes its meaning."""

_LONGEST_LABEL_BYTES = 63 - len(" (99999)")
_LONGEST_WORD_BYTES = 200
"""RFC 6763, section 6.1: key, = and value fit 255."""


def label(name: str, number: int) -> str:
    """The instance name: "k1edge kitchen", and "k1edge kitchen (2)" for the second of that name.

    No dots: programs that take a name apart at its dots would find another one.
    """
    whole = "k1edge " + plain(name.replace(".", " "))
    return _cut(whole, _LONGEST_LABEL_BYTES).strip() + (f" ({number})" if number > 1 else "")


def words(identity: str, name: str, *, tls: bool) -> dict[str, str]:
    """The TXT record. `tls` is there only where it is spoken; "proto" is the `schema_version` of the telemetry."""
    said = {
        "txtvers": str(TXT_VERSION),
        "id": identity,
        "version": __version__,
        "proto": str(SCHEMA_VERSION),
        "path": DEFAULT_PATH,
        "name": name,
    }
    return {key: _cut(value, _LONGEST_WORD_BYTES) for key, value in (said | ({"tls": "1"} if tls else {})).items()}


def _cut(text: str, most_bytes: int) -> str:
    """As many whole characters as fit."""
    return text.encode()[:most_bytes].decode(errors="ignore")
