"""Where the LAN server listens, and what it does when it can't."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.client import connect

from k1edge.config import NetworkSettings
from k1edge.errors import ConfigError
from k1edge.report import fanout
from k1edge.report import lan as lan_module
from k1edge.report.fanout import FanoutLimits
from k1edge.report.guard import Guard, GuardedApp
from k1edge.report.lan import LanServer, listening_socket
from k1edge.report.server import Limits
from k1edge.report.tls import expiry, load_tls
from tests.report.lan_scene import Lan, read, run
from tests.report.scene import until

has_ipv6 = pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")


def reach(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2.0).close()
    except OSError:
        return False
    return True


@has_ipv6
def test_all_is_both_ip_versions_on_one_port() -> None:
    with listening_socket("all", 0) as sock:
        port = sock.getsockname()[1]
        assert reach("127.0.0.1", port)
        assert reach("::1", port)


@has_ipv6
@pytest.mark.parametrize(
    ("bind", "reached", "not_reached"),
    [("127.0.0.1", "127.0.0.1", "::1"), ("::1", "::1", "127.0.0.1"), ("::", "::1", "127.0.0.1"), ("127.0.0.3", "127.0.0.3", "127.0.0.1")],
)
def test_an_address_is_that_one_alone(bind: str, reached: str, not_reached: str) -> None:
    with listening_socket(bind, 0) as sock:
        port = sock.getsockname()[1]
        assert reach(reached, port)
        assert not reach(not_reached, port)


@has_ipv6
def test_an_interface_is_all_its_addresses() -> None:
    with listening_socket("lo", 0) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"
        port = sock.getsockname()[1]
        assert reach("127.0.0.1", port)
        assert reach("::1", port)


@pytest.mark.parametrize("bind", ["192.0.2.77", "2001:db8::77", "k1none0", "fe80::1%k1none0"])
def test_what_is_not_there_is_named_with_the_cure(bind: str) -> None:
    with pytest.raises(ConfigError, match=rf"{bind}.*not there.*network\.bind"):
        listening_socket(bind, 0)


def server(**network: object) -> LanServer:
    async def app(*asked: object) -> None:
        raise AssertionError(asked)

    return LanServer(NetworkSettings.model_validate({"bind": "127.0.0.1", "port": 0, **network}), GuardedApp(app, Guard()))


def test_fault_48_a_taken_port_is_named_and_taken_once_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan_module, "RETRY_S", 0.05)

    async def scenario() -> None:
        other = socket.create_server(("127.0.0.1", 0))
        port = other.getsockname()[1]
        ours = server(port=port)
        running = asyncio.create_task(ours.run())
        await until(lambda: ours.reason is not None)
        assert ours.reasons == (f"network: port {port} is taken by another program; stop that one, or set network.port",)
        assert ours.port is None
        other.close()
        await until(lambda: ours.port == port)
        assert ours.reasons == ()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not reach("127.0.0.1", port)

    asyncio.run(scenario())


def test_an_interface_that_is_made_anew_is_bound_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan_module, "RETRY_S", 0.02)
    numbers = iter([1, 1, 1, 2, 2, 2])
    monkeypatch.setattr(lan_module, "_device", lambda _: ("lo", next(numbers, 2)))

    async def scenario() -> None:
        ours = server()
        running = asyncio.create_task(ours.run())
        await until(lambda: ours.port is not None)
        first = ours._server
        await until(lambda: ours._server is not first and ours.port is not None)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())


# --- TLS -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def write(folder: Path, certificate: trustme.LeafCert) -> tuple[str, str]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    return str(cert), str(key)


def test_with_a_certificate_only_tls_is_spoken(tmp_path: Path, authority: trustme.CA) -> None:
    cert, key = write(tmp_path, authority.issue_cert("127.0.0.1"))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def scenario(lan: Lan) -> None:
        plain, writer = await lan.raw(b"GET /status HTTP/1.1\r\n\r\n")
        assert not (await plain.read()).startswith(b"HTTP")
        writer.close()
        async with connect(f"wss://127.0.0.1:{lan.port}/telemetry", ssl=trusting, proxy=None) as secure:
            assert (await read(secure))["type"] == "hello"
            lan.publish()
            assert (await read(secure))["seq"] == 1
        reader, writer = await asyncio.open_connection("127.0.0.1", lan.port, ssl=trusting)
        writer.write(f"GET /status HTTP/1.1\r\nHost: 127.0.0.1:{lan.port}\r\nOrigin: https://127.0.0.1:{lan.port}\r\n\r\n".encode())
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
        writer.close()

    run(scenario, tls_cert=cert, tls_key=key)


def test_fault_40_over_tls_too_one_that_never_reads_is_closed(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "SWEEP_S", 0.05)
    cert, key = write(tmp_path, authority.issue_cert("127.0.0.1"))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def scenario(lan: Lan) -> None:
        frozen = await connect(f"wss://127.0.0.1:{lan.port}/telemetry", ssl=trusting, proxy=None, max_queue=1)
        async with connect(f"wss://127.0.0.1:{lan.port}/telemetry", ssl=trusting, proxy=None) as healthy:
            await read(healthy)
            while lan.fanout.counts.lost < 50:
                lan.publish()
                assert (await read(healthy))["seq"] == lan.feed.seq < 20_000
            await until(lambda: lan.fanout.counts.cut_off == 1)
            lan.publish()
            assert (await read(healthy))["seq"] == lan.feed.seq
        frozen.transport.abort()

    run(scenario, tls_cert=cert, tls_key=key, fanout_limits=FanoutLimits(slow_s=0.3))


def test_fault_39_half_a_tls_handshake_runs_out_of_time_and_leaves_the_others_alone(tmp_path: Path, authority: trustme.CA) -> None:
    cert, key = write(tmp_path, authority.issue_cert("127.0.0.1"))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def scenario(lan: Lan) -> None:
        crowd = [await lan.raw(b"\x16\x03\x01") for _ in range(40)]
        entering = lan.server._server._entering  # type: ignore[union-attr] # it listens
        await until(lambda: len(entering) == 8)
        _, writer = await asyncio.open_connection("127.0.0.1", lan.port, ssl=trusting)
        for reader, _ in crowd:
            assert not (await reader.read()).startswith(b"HTTP")
        await until(lambda: not entering)
        for each in (writer, *(writer for _, writer in crowd)):
            each.close()

    run(scenario, tls_cert=cert, tls_key=key, limits=Limits(most_clients=8, request_s=0.5))


def test_wrong_tls_files_are_named_with_the_cure(tmp_path: Path, authority: trustme.CA) -> None:
    cert, key = map(Path, write(tmp_path, authority.issue_cert("k1.local")))
    (tmp_path / "other").mkdir()
    _, other_key = map(Path, write(tmp_path / "other", authority.issue_cert("k1.local")))
    with pytest.raises(ConfigError, match=r"tls_cert: .*/none.pem can't be read: No such file.*name a file"):
        load_tls(tmp_path / "none.pem", key)
    with pytest.raises(ConfigError, match=r"tls_key: .*/none.pem can't be read"):
        load_tls(cert, tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"other/key.pem is not the key of .*cert.pem; make both anew"):
        load_tls(cert, other_key)
    key.write_text("no PEM")
    with pytest.raises(ConfigError, match=r"cert.pem and .*key.pem are no PEM certificate and key"):
        load_tls(cert, key)


def test_without_its_files_nothing_is_served_in_plain_text(tmp_path: Path) -> None:
    async def scenario() -> None:
        ours = server(tls_cert=str(tmp_path / "none.pem"), tls_key=str(tmp_path / "none.key"))
        running = asyncio.create_task(ours.run())
        await until(lambda: ours.reason is not None)
        assert "none.pem" in ours.reasons[0]
        assert ours.port is None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())


def test_a_certificate_that_has_ended_is_named(tmp_path: Path, authority: trustme.CA) -> None:
    ended = datetime(2020, 2, 3, tzinfo=UTC)
    cert, key = write(tmp_path, authority.issue_cert("k1.local", not_before=ended - timedelta(days=9), not_after=ended))
    assert expiry(Path(cert)) == ended
    assert server(tls_cert=cert, tls_key=key).reasons == (
        f"network.tls_cert: {cert} ended on 2020-02-03; clients will refuse it: put a new one there",
    )
    far = datetime(2090, 1, 1, tzinfo=UTC)  # written in another way from 2050 on
    cert, key = write(tmp_path, authority.issue_cert("k1.local", not_after=far))
    assert expiry(Path(cert)) == far
    assert server(tls_cert=cert, tls_key=key).reasons == ()


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_the_end_of_what_is_no_certificate_is_not_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.pem").write_text(text)
    assert expiry(tmp_path / "x.pem") is None


def test_a_renewed_certificate_is_taken_up(tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan_module, "RETRY_S", 0.02)
    cert, key = write(tmp_path, authority.issue_cert("127.0.0.1"))
    renewed = trustme.CA()
    trusting = ssl.create_default_context()
    renewed.configure_trust(trusting)

    async def scenario(lan: Lan) -> None:
        first = lan.server._server
        write(tmp_path, renewed.issue_cert("127.0.0.1"))
        await until(lambda: lan.server._server is not first and lan.server.port is not None)
        _, writer = await asyncio.open_connection("127.0.0.1", lan.port, ssl=trusting)
        writer.close()

    run(scenario, tls_cert=cert, tls_key=key)
