"""Download a package or a repository and keep its music, charts and copyright file, under flat names.

Needs apt-get, dpkg-deb and git.
"""

import io
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.train.free.packages import REPOSITORIES

SOUNDS = {".ogg", ".oga", ".mp3", ".flac", ".wav", ".opus"}
MODULES = {".xm", ".it", ".s3m", ".mod"}
ARCHIVES = {".pk3", ".zip"}
LEAST_BYTES = 150_000
"""Shorter files are effects."""


def fetch(source: str, folder: Path, mirror: Path | None) -> None:
    """Bring a package or a repository into `folder`, whole or not at all.

    Raises:
        subprocess.CalledProcessError: this Debian does not have the package, or there is no network.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    if source in REPOSITORIES:
        clone(source, part, mirror)
    else:
        unpack(source, part, wanted)
    part.rename(folder)


def unpack(package: str, folder: Path, kept: Callable[[str, int], bool]) -> None:
    """Download a package; keep what `kept` says of a name and a size in bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["apt-get", "download", package], cwd=scratch, check=True, capture_output=True, text=True)
        archive = next(Path(scratch).glob("*.deb"))
        with (
            subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as pipe,
            tarfile.open(fileobj=pipe.stdout, mode="r|") as tar,
        ):
            for member in tar:
                file = tar.extractfile(member) if member.isfile() and kept(member.name, member.size) else None
                if file is not None:
                    keep(folder, member.name, file.read())


def wanted(name: str, size: int) -> bool:
    """Whether a file of a package is worth reading."""
    suffix = Path(name).suffix.lower()
    return (
        Path(name).name in {"copyright", "notes.mid", "song.ini"}
        or suffix in MODULES
        or (suffix in SOUNDS | ARCHIVES and size > LEAST_BYTES)
    )


def keep(folder: Path, name: str, data: bytes) -> None:
    """Write one file, or the music within an archive, under a flat name."""
    if Path(name).suffix.lower() in ARCHIVES:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as inner:
                for entry in inner.infolist():
                    if Path(entry.filename).suffix.lower() in SOUNDS | MODULES and entry.file_size > LEAST_BYTES:
                        keep(folder, f"{name}/{entry.filename}", inner.read(entry))
        return
    flat = "copyright" if name.endswith("/copyright") else name.rsplit("usr/share/", maxsplit=1)[-1].replace("/", "__")
    (folder / flat).write_bytes(data)


def clone(repository: str, folder: Path, mirror: Path | None) -> None:
    """Take a repository's music from a bare snapshot in `mirror` (owner+name/repo), else from GitHub."""
    snapshot = mirror / repository.replace("/", "+") / "repo" if mirror else None
    _, _, which = REPOSITORIES[repository]
    with tempfile.TemporaryDirectory() as scratch:
        if snapshot is None or not snapshot.exists():
            snapshot = Path(scratch) / "repo"
            subprocess.run(["git", "clone", "-q", "--depth=1", f"https://github.com/{repository}", str(snapshot)], check=True)
        git = ("git", "-C", str(snapshot))
        names = subprocess.run([*git, "ls-tree", "-rz", "--name-only", "HEAD"], check=True, capture_output=True, text=True).stdout
        for name in names.split("\0"):
            if Path(name).suffix.lower() in SOUNDS and re.search(which, name):
                blob = subprocess.run([*git, "show", f"HEAD:{name}"], check=False, capture_output=True)
                if blob.returncode == 0 and len(blob.stdout) > LEAST_BYTES:  # a snapshot may lack large files
                    (folder / name.replace("/", "__")).write_bytes(blob.stdout)
