"""A token that stands in a file of its own, so that the configuration can be shown to anybody."""

from pathlib import Path

from k1edge.errors import ConfigError


def read_token(path: Path, key: str, until: str) -> str:
    """Read a token out of a file; white space around it does not count.

    Args:
        path: the file.
        key: of the setting, for the message.
        until: what is so as long as the file holds none, for the message.

    Raises:
        ConfigError: no file, or no token in it.
    """
    try:
        token = path.read_text("ascii")[:200].strip()
    except (OSError, ValueError) as error:
        msg = f"{key}: {path} can't be read ({error}); let it hold a token: {until}"
        raise ConfigError(msg) from error
    if not 16 <= len(token) <= 128 or not token.isprintable() or " " in token:
        msg = f"{key}: {path} holds no token of 16 to 128 characters; {until}"
        raise ConfigError(msg)
    return token
