"""What people may say of the tempo, and what holds by their word: a part of the `snapshot`."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Word(StrEnum):
    """What can be said without a figure."""

    HALF = "half"
    DOUBLE = "double"
    DOWNBEAT = "downbeat"
    LOCK = "lock"
    AUTO = "auto"


class TempoStatus(BaseModel):
    """Which tempi are followed, `bpm_min` to `bpm_max`, and by whose word: null = as configured, by nobody's.

    `nudge_ms` is how much later (+) beats are shown by hand, beside `offset_ms`; `taps` counts those of the series that is being tapped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    held_by: Literal["half", "double", "set", "tap", "lock"] | None
    bpm_min: float
    bpm_max: float
    nudge_ms: float
    taps: int
