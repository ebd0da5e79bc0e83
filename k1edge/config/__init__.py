"""Settings: defaults < system file < user file < K1EDGE_* environment < flag. One frozen `Settings` comes out, or a `ConfigError`.

Plain pydantic does it: pydantic-settings reads os.environ by itself, can't tell where a value came from, and costs 4 MB and 60 ms of start.
"""

from k1edge.config.layers import SYSTEM_FILE, Origin, Resolved, files_for, load, resolve, user_file
from k1edge.config.sample import sample_toml
from k1edge.config.settings import (
    SECRETS,
    AudioSettings,
    BeatSettings,
    DaemonSettings,
    LogSettings,
    NetworkSettings,
    NodeSettings,
    Settings,
    StatusSettings,
    TelemetrySettings,
)

__all__ = [
    "SECRETS",
    "SYSTEM_FILE",
    "AudioSettings",
    "BeatSettings",
    "DaemonSettings",
    "LogSettings",
    "NetworkSettings",
    "NodeSettings",
    "Origin",
    "Resolved",
    "Settings",
    "StatusSettings",
    "TelemetrySettings",
    "files_for",
    "load",
    "resolve",
    "sample_toml",
    "user_file",
]
