import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1edge.link.lightwave import MAX_LINE, STOP, phase_line, start_line


@pytest.mark.parametrize(("line", "length"), [(phase_line(120, 0.5), 56), (start_line(120), 54), (STOP, 40), (phase_line(300, 0.999), 56)])
def test_lines_have_the_lengths_of_the_protocol(line: bytes, length: int) -> None:
    assert len(line) == length <= MAX_LINE
    json.loads(line)


@given(st.floats(30, 300), st.floats(-10, 10))
def test_a_phase_is_wrapped_after_rounding_and_every_line_fits(bpm: float, phase: float) -> None:
    line = json.loads(phase_line(bpm, phase))
    assert 0.0 <= line["beat_phase"] < 1.0
    kept = math.floor(line["beat_phase"] * 255) / 255  # what the node makes of it
    assert abs((kept - phase + 0.5) % 1.0 - 0.5) <= 0.5 / 255 + 1e-9
    assert 30 <= line["bpm"] <= 300
    assert len(phase_line(bpm, phase)) <= MAX_LINE
    assert phase_line(120, 0.9996) == phase_line(120, 0.0)
