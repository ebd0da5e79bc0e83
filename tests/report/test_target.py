from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.report.peer_table import static_peer
from k1edge.report.target import discovered, is_word, named, target


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("stage.local", "ws://stage.local:19249/telemetry"),
        ("localhost:1234", "ws://localhost:1234/telemetry"),
        ("192.168.1.6", "ws://192.168.1.6:19249/telemetry"),
        ("fd00::6", "ws://[fd00::6]:19249/telemetry"),
        ("[fd00::6]:80", "ws://[fd00::6]:80/telemetry"),
        ("[fe80::1%eth0]:80", "ws://[fe80::1%eth0]:80/telemetry"),
        ("http://k1.local/", "ws://k1.local:19249/telemetry"),
        ("https://k1.local:444", "wss://k1.local:444/telemetry"),
        ("wss://k1.local/other", "wss://k1.local:19249/other"),
    ],
)
def test_every_form_of_a_peer(text: str, url: str) -> None:
    assert target(text).urls == (url,)


@pytest.mark.parametrize(
    "text", ["", "a b", "ftp://k1", "k1:99999", "k1:x", "[::1", "http://me:secret@k1", "k1/a?b", "k1/a#b", "k1\x1b[2J", "k1/a\r\nb"]
)
def test_what_is_no_peer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no peer") as refused:
        target(text)
    assert str(refused.value).isprintable()


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_refused(text: str) -> None:
    try:
        url = urlsplit(target(text).urls[0])
    except ValueError:
        return
    assert url.hostname
    assert 1 <= (url.port or 0) <= 65_535
    assert url.path.startswith("/")


def test_words_are_looked_up_among_the_discovered() -> None:
    assert [is_word(text) for text in ("stage", "k1e-0a1b", "", "localhost", "k1.local", "k1:80", "http://k1")] == [True, True] + [
        False
    ] * 5
    stage = static_peer("192.168.1.6:80").model_copy(update={"name": "Stage", "instance": "Stage #2", "id": "k1e-0a1b"})
    for word in ("stage", "STAGE #2", "k1e-0A1B"):
        assert named(word, [stage]) == [stage]
    assert named("wall", [stage]) == []
    assert discovered(stage).urls == ("ws://192.168.1.6:80/telemetry",)
