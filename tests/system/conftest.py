"""The parts of a system test: a sound server, a node, the daemon between them. Each test gets its own of each."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.system.edge import Edge
from tests.system.sound_server import SoundServer, missing_parts

NewEdge = Callable[..., Edge]
Say = Callable[[str], None]

_FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What was measured, at the end, whether the tests passed or not."""
    if config.stash[_FIGURES]:
        terminalreporter.section("measured")
        for line in config.stash[_FIGURES]:
            terminalreporter.line(line)


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Note a figure for the summary."""
    return lambda line: request.config.stash[_FIGURES].append(f"{request.node.name}: {line}")


@pytest.fixture
def sound() -> Iterator[SoundServer]:
    """A running sound server of our own."""
    lacking = missing_parts()
    if lacking is not None:
        pytest.skip(lacking)
    server = SoundServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private folder with a short name: a Unix socket's path must fit 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="k1run-") as name:
        yield Path(name)


@pytest.fixture
def new_edge(folder: Path, sound: SoundServer) -> Iterator[NewEdge]:
    """Make daemons that listen to `sound`; none outlives the test."""
    made: list[Edge] = []

    def make(port: str, **sections: Mapping[str, object]) -> Edge:
        settings = {"audio": {"device": "k1mon"}, "node": {"port": port}} | {}
        for name, keys in sections.items():
            settings[name] = settings.get(name, {}) | dict(keys)
        edge = Edge(folder, sound.environment, settings, log=f"k1edge-{len(made)}.log")
        made.append(edge)
        return edge

    yield make
    for edge in made:
        edge.close()
