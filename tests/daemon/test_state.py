import os
from pathlib import Path

import pytest

from k1edge.daemon import state


def test_identity_is_kept(tmp_path: Path) -> None:
    first = state.load_identity(tmp_path)
    assert first.startswith("k1e-")
    assert state.load_identity(tmp_path) == first


def test_configured_identity_wins_and_is_not_stored(tmp_path: Path) -> None:
    assert state.load_identity(tmp_path, "stage-left") == "stage-left"
    assert list(tmp_path.iterdir()) == []


def test_fault_44_state_cut_at_every_byte(tmp_path: Path) -> None:
    identity = state.load_identity(tmp_path)
    path = tmp_path / state.FILE_NAME
    whole = path.read_bytes()
    for cut in range(len(whole) - 2):
        path.write_bytes(whole[:cut])
        again = state.load_identity(tmp_path)
        assert again != identity
        assert path.with_suffix(".json.bad").read_bytes() == whole[:cut]
        assert state.load_identity(tmp_path) == again


@pytest.mark.parametrize("text", ['{"id": 5}', '{"id": ""}', "[]", '{"id": "a\\u0000b"}', "\xff\xfe", "{" * 100_000])
def test_fault_44_hostile_state(tmp_path: Path, text: str) -> None:
    (tmp_path / state.FILE_NAME).write_text(text, encoding="latin-1")
    assert state.load_identity(tmp_path).startswith("k1e-")


def test_fault_44_unwritable_directory_runs_without_state(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert state.load_identity(tmp_path / "file").startswith("k1e-")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    state.write_atomic(path, "old")

    def refuse(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        state.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
