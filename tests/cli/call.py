"""Calls a command in this process as a shell would."""

import pytest

from k1edge.cli import main


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run `k1edge arguments`; exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    out, err = capsys.readouterr()
    code = left.value.code
    assert code is None or isinstance(code, int)
    return code or 0, out, err
