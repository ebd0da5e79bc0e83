import json

import pytest

from k1edge.audio import capture
from k1edge.audio.devices import AudioDevice
from k1edge.errors import DeviceError
from k1edge.link import device
from k1edge.link.address import SerialDevice
from tests.cli.call import call

CARD = AudioDevice(
    name="Scarlett [2i2]: USB (hw:1,0)", host_api="ALSA", max_input_channels=2, default_rate_hz=48_000, is_default=True, card_id="USB"
)
NODE = SerialDevice("/dev/ttyACM0", "/dev/serial/by-id/usb-K1", 0x303A, 0x1001, "AA:BB", "USB JTAG", likely_k1=True)
UART = SerialDevice("/dev/ttyS0", None, None, None, None, "n/a", likely_k1=False)


@pytest.fixture(autouse=True)
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "list_devices", lambda: [CARD])
    monkeypatch.setattr(device, "list_ports", lambda: [NODE, UART])
    monkeypatch.setenv("COLUMNS", "200")


def test_tables_show_the_names_that_the_configuration_takes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "devices")
    assert (code, err) == (0, "")
    for words in (
        "Scarlett [2i2]: USB (hw:1,0)",
        "48000 Hz",
        "default",
        "303A:1001:AA:BB",
        "/dev/serial/by-id/usb-K1",
        "likely a K1",
        "/dev/ttyS0",
    ):
        assert words in out


def test_json_by_kind(capsys: pytest.CaptureFixture[str]) -> None:
    both = json.loads(call(capsys, "devices", "--json")[1])
    assert list(both) == ["audio", "serial"]
    assert both["audio"]["devices"][0]["card_id"] == "USB"
    one = json.loads(call(capsys, "devices", "serial", "--json")[1])
    assert list(one) == ["serial"]
    assert one["serial"]["devices"][0]["vid"] == 0x303A


@pytest.mark.parametrize("failure", [DeviceError("PortAudio is missing"), OSError("ALSA is broken"), RuntimeError("odd")])
def test_fault_53_without_portaudio_the_ports_are_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def broken() -> list[AudioDevice]:
        raise failure

    monkeypatch.setattr(capture, "list_devices", broken)
    code, out, _ = call(capsys, "devices")
    assert code == 0
    assert str(failure) in out
    assert "/dev/ttyACM0" not in out
    assert "usb-K1" in out
    code, out, _ = call(capsys, "devices", "audio", "--json")
    assert code == 1
    assert str(failure) in json.loads(out)["audio"]["error"]


def test_nothing_plugged_in_says_what_to_do(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "list_ports", list)
    code, out, _ = call(capsys, "devices", "serial")
    assert (code, out) == (0, "Serial ports: none; plug the node in\n")
