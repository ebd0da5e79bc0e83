"""The error tree, by who is to blame. Each message names what, where and the cure."""


class K1EdgeError(Exception):
    """Any failure that k1edge foresees. `exit_code` is what a command ends with."""

    exit_code = 1


class ConfigError(K1EdgeError):
    """Our configuration is wrong; the message names file, line and key."""

    exit_code = 78  # EX_CONFIG of sysexits.h


class DeviceError(K1EdgeError):
    """A device of this host failed: sound card, serial port, sound file, disk."""


class PeerError(K1EdgeError):
    """The other side broke the contract: a node, a LAN peer, a local client."""
