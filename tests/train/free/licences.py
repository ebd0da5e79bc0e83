"""Under which licence one file of a source is."""

import fnmatch
import re
from pathlib import Path

from tests.train.free.packages import LICENCES, REPOSITORIES

NAMES = re.compile(
    r"CC[- ]BY[- ]SA[- ]?[\d.]*|CC[- ]BY[- ]?[\d.]+|CC0|GPL-?[\d.+]+|GNU General Public License|Attribution[- ]Share ?Alike|Public Domain|MIT",
    re.IGNORECASE,
)


def terms(package: str, folder: Path, name: str) -> str:
    """The licence of one file."""
    return REPOSITORIES[package][0] if package in REPOSITORIES else LICENCES.get(package) or licence(folder, name)


def licence(folder: Path, flat: str) -> str:
    """What the package's copyright file says of one file: the paragraph that names it most closely."""
    text = (folder / "copyright").read_text(errors="replace") if (folder / "copyright").exists() else ""
    found, closest = "", -1
    for paragraph in re.split(r"\n\s*\n", text):
        globs = re.search(r"^Files:\s*((?:.|\n(?=[ \t]))*)", paragraph, re.MULTILINE)
        says = re.search(r"^License:[ \t]*(\S.*)$", paragraph, re.MULTILINE)
        if globs and says and (close := max(0 if part == "*" else named(part, flat) or -1 for part in globs[1].split())) >= closest:
            found, closest = says[1].strip(), close
    if found:
        return found
    words = sorted(set(NAMES.findall(text)))
    return f"free (Debian main); its copyright file names {words}" if words else "free (Debian main); see its copyright file"


def named(pattern: str, flat: str) -> int:
    """By how many folders and names a pattern of a copyright file fits a flat name; the archives' folders differ, so its tail will do."""
    parts = pattern.removeprefix("./").split("/")
    for first in range(len(parts)):
        tail = "__".join(parts[first:])
        if (len(parts) - first > 1 or "*" not in tail) and fnmatch.fnmatch(flat, f"*{tail}"):
            return len(parts) - first
    return 0
