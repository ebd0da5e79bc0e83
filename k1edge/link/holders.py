"""Which programs hold a device open, as far as /proc shows them to this user."""

import os
from pathlib import Path


def holders(path: str) -> list[str]:
    """Name them as "NAME (pid N)"; only root sees the programs of others."""
    device = os.path.realpath(path)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(each.readlink()) == device for each in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found
