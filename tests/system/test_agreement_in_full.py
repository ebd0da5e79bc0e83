"""100,000 exchanges of the C and the Python node side by side, and as many between Python and C over a pty."""

import json

import pytest

from tests.firmware_bridge import agreement
from tests.firmware_bridge.c_node import compiler

pytestmark = [pytest.mark.system, pytest.mark.skipif(compiler() is None, reason="no C compiler (gcc, clang or cc) is installed")]


def test_c_and_python_agree(capsys: pytest.CaptureFixture[str]) -> None:
    agreement.main()
    figures = {line["figure"]: line["ok"] for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert figures["exchanges_alike_in_c_and_python"]
    assert figures["exchanges_right_over_a_pty"]
