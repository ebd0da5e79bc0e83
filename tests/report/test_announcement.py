from hypothesis import given
from hypothesis import strategies as st

from k1edge import __version__
from k1edge.report.announcement import label, words
from k1edge.report.peer_table import read_txt


def test_names_are_numbered_as_people_do() -> None:
    assert label("kitchen", 1) == "k1edge kitchen"
    assert label("kitchen", 2) == "k1edge kitchen (2)"
    assert label("stage.left", 1) == "k1edge stage left"


@given(st.text(), st.integers(1, 99_999))
def test_any_name_is_one_label(name: str, number: int) -> None:
    made = label(name, number)
    assert len(made.encode()) <= 63
    assert "." not in made
    assert made.isprintable()


def test_the_words_are_those_that_were_agreed() -> None:
    plain = {"txtvers": "1", "id": "k1e-1", "version": __version__, "proto": "1", "path": "/telemetry", "name": "kitchen"}
    assert words("k1e-1", "kitchen", tls=False) == plain
    assert words("k1e-1", "kitchen", tls=True) == plain | {"tls": "1"}


@given(st.text(max_size=64), st.text(max_size=40))
def test_each_word_fits_its_entry_and_is_read_again(identity: str, name: str) -> None:
    said = {key: value.encode("utf-8", "replace") for key, value in words(identity, name, tls=False).items()}
    assert all(len(key) + 1 + len(value) <= 255 for key, value in said.items())
    raw = b"".join(bytes([len(key) + 1 + len(value)]) + key.encode() + b"=" + value for key, value in said.items())
    assert read_txt(raw)["path"] == "/telemetry"
