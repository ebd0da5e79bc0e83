"""The commands, one file per verb family."""


def main() -> None:
    """Entry point of `k1edge`."""
