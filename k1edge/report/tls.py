"""TLS for the LAN server out of two PEM files, with errors that name the file and the cure."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from k1edge.errors import ConfigError

_UTC_TIME = 0x17


def load_tls(cert: Path, key: Path) -> ssl.SSLContext:
    """Make the server's context: TLS 1.2 and later.

    Raises:
        ConfigError: a file is missing, unreadable, no PEM, or the two do not belong together.
    """
    for path, kind in ((cert, "tls_cert"), (key, "tls_key")):
        try:
            path.open("rb").close()
        except OSError as error:
            msg = f"network.{kind}: {path} can't be read: {error.strerror}; name a file that the daemon's user may read"
            raise ConfigError(msg) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(cert, key, password=lambda: b"")  # ask nobody for a passphrase
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            msg = f"network.tls_key: {key} is not the key of {cert}; make both anew, or name the pair"
        else:
            msg = (
                f"network.tls_cert, tls_key: {cert} and {key} are no PEM certificate and key without a passphrase ({error.reason or error})"
            )
        raise ConfigError(msg) from error
    return context


def expiry(cert: Path) -> datetime | None:
    """When the first certificate of a PEM file ends; None where that can't be read."""
    try:
        pem = cert.read_text("ascii", "replace")
        begin = pem.index(ssl.PEM_HEADER)
        end = pem.index(ssl.PEM_FOOTER, begin) + len(ssl.PEM_FOOTER)
        der = ssl.PEM_cert_to_DER_cert(pem[begin:end])
        signed = _children(_children(_children(der)[0][1])[0][1])
        fields = signed[1:] if signed[0][0] == 0xA0 else signed  # the version is optional
        _, (kind, text) = _children(fields[3][1])  # serial, algorithm, issuer, validity: not before, not after
        written = text.decode("ascii")
        return datetime.strptime(written, "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except (OSError, ValueError, IndexError):
        return None


def _children(der: bytes) -> list[tuple[int, bytes]]:
    """Split DER (X.690) into (tag, content), one level deep."""
    found, at = [], 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(der[at : at + count])
            at += count
        found.append((tag, der[at : at + length]))
        at += length
    return found
