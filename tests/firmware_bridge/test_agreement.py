"""The C library and its twin in Python do the same, whatever a host says; all of it by `make agreement`."""

import random
import shutil
from ctypes import CDLL
from pathlib import Path

import pytest

from k1edge.link.k1link.framing import Frame, FrameDecoder, encode
from k1edge.link.k1link.messages import Hello, Refusal, parse
from k1edge.link.node.reports import NodeIdentity
from tests.firmware_bridge.agreement import DisagreementError, RandomHost, Twins, talk
from tests.firmware_bridge.c_node import CNode, build, compiler
from tests.firmware_bridge.pty_talk import PtyTalk, build_host_node, host_node

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler (gcc, clang or cc) is installed")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> CDLL:
    return build(tmp_path_factory.mktemp("k1link"))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_host_node(tmp_path_factory.mktemp("host-node"))


@pytest.mark.parametrize("seed", range(0, 50, 10))
def test_fault_05_c_and_python_agree_on_random_talks(library: CDLL, seed: int) -> None:
    assert sum(talk(library, number) for number in range(seed, seed + 10)) > 500


def test_a_difference_is_told_with_its_seed(library: CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k1edge.link.node.flash_queue.FREEZE_US", 40_000)
    with pytest.raises(DisagreementError, match=r"seed \d+, \d+ us: \w+"):
        sum(talk(library, seed) for seed in range(20))


def test_what_one_node_sends_the_other_reads_and_refuses_as_an_echo(library: CDLL) -> None:
    rng, who = random.Random(3), NodeIdentity(b"K1-00042", 7)
    twins, host, hearer = Twins(library, who, 0, announce=True), RandomHost(rng), CNode(library, who, 0, announce=False)
    twins.live(0, encode(Frame(Hello.TYPE, host.session, 0, Hello(host.nonce).encode())))
    heard: list[Frame] = []
    for now_us in range(0, 3_000_000, 15_000):
        twins.live(now_us, host.burst(now_us, 64))
        heard += [frame for wire in twins.frames_sent for frame in FrameDecoder().receive(wire)]
        hearer.receive(b"".join(wire for wire in twins.frames_sent if not wire.startswith(b"{")), now_us)
    assert len(heard) > 200
    assert not [frame for frame in heard if isinstance(parse(frame), Refusal)]
    stats = hearer.stats()
    assert (stats.frames_in, stats.refused, stats.bad_frames) == (len(heard), len(heard), 0)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_fault_01_every_answer_over_a_pty_is_right(program: Path, tmp_path: Path) -> None:
    with host_node(program, tmp_path) as (port, flashes):
        talk_over_it = PtyTalk(port, seed=1)
        talk_over_it.run(3_000)
        assert talk_over_it.finish(flashes).bad_frames > 100


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_clock_that_runs_off_is_no_right_answer(program: Path, tmp_path: Path) -> None:
    with host_node(program, tmp_path, "--ppm", "100000") as (port, _flashes), pytest.raises(AssertionError):
        PtyTalk(port, seed=1).run(3_000)
