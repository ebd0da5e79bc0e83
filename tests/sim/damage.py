"""What a bad line does to the bytes of a write; each of these is for `Line.damage`. Shares are of bytes, 0 to 1."""

import random
from collections.abc import Callable

Damage = Callable[[random.Random, bytes], list[bytes]]


def single_bytes(share: float) -> Damage:
    """Each byte is lost by itself, whatever became of the one before it."""
    return lambda rng, data: [bytes(b for b in data if rng.random() >= share)]


def bursts(share: float, mean_bytes: float) -> Damage:
    """Runs of bytes are lost, their lengths geometric: the channel of Gilbert (1960) and Elliott (1963) that loses all in its bad state."""
    leave_bad = 1.0 / mean_bytes
    leave_good = leave_bad * share / (1.0 - share)
    bad = False

    def damage(rng: random.Random, data: bytes) -> list[bytes]:
        nonlocal bad
        kept = bytearray()
        for byte in data:
            bad = rng.random() < leave_good if not bad else rng.random() >= leave_bad
            if not bad:
                kept.append(byte)
        return [bytes(kept)]

    return damage


def packets(share: float, size: int = 64) -> Damage:
    """Whole USB packets are lost."""

    def damage(rng: random.Random, data: bytes) -> list[bytes]:
        return [b"".join(data[at : at + size] for at in range(0, len(data), size) if rng.random() >= share)]

    return damage
