import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k1edge.config import Settings, files_for, load, resolve, sample_toml, user_file
from k1edge.config.layers import FLAGS
from k1edge.config.settings import SECTIONS, keys
from k1edge.errors import ConfigError

NOWHERE = Path("/nonexistent/k1edge.toml")


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def complaint(path: Path | None, env: dict[str, str] | None = None, flags: dict[str, object] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, env or {}, flags or {}, system_file=NOWHERE)
    assert caught.value.exit_code == 78
    return str(caught.value)


def test_nothing_given_gives_the_defaults() -> None:
    resolved = resolve(None, {}, {}, system_file=NOWHERE)
    assert resolved.settings == Settings()
    assert resolved.files == ()
    assert {str(origin) for origin in resolved.origins.values()} == {"default"}
    assert list(resolved.origins) == keys()


def test_each_layer_wins_over_the_one_below(tmp_path: Path) -> None:
    system = write(tmp_path / "etc.toml", "[audio]\ndevice = 'system'\nchannels = 1\n[log]\nlevel = 'debug'\n[node]\nbaud = 9600\n")
    mine = write(tmp_path / "home/.config/k1edge/k1edge.toml", "[audio]\ndevice = 'mine'\n[log]\nlevel = 'error'\n")
    env = {"HOME": str(tmp_path / "home"), "K1EDGE_AUDIO__DEVICE": "hw:0", "K1EDGE_NODE__OFFSET_MS": "-12.5", "PATH": "/bin"}
    resolved = resolve(None, env, {"audio.device": "flagged", "node.port": None}, system_file=system)
    settings = resolved.settings
    assert settings.audio.device == "flagged"
    assert settings.log.level == "error"
    assert settings.audio.channels == 1
    assert settings.node.offset_ms == -12.5
    assert settings.node.port == "auto"
    assert resolved.files == (system, mine)
    origins = {name: str(resolved.origins[name]) for name in ("audio.device", "log.level", "audio.channels", "node.offset_ms", "node.port")}
    assert origins == {
        "audio.device": "--device",
        "log.level": f"{mine}:4",
        "audio.channels": f"{system}:3",
        "node.offset_ms": "K1EDGE_NODE__OFFSET_MS",
        "node.port": "default",
    }


def test_a_named_file_replaces_both_others(tmp_path: Path) -> None:
    system = write(tmp_path / "etc.toml", "[audio]\nchannels = 1\n")
    mine = write(tmp_path / "mine.toml", "[audio]\ndevice = 'x'\n")
    settings = load(mine, {}, {}, system_file=system)
    assert (settings.audio.device, settings.audio.channels) == ("x", 2)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    assert "no such file" in complaint(tmp_path / "none.toml")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().audio.channels = 1  # type: ignore[misc] # that is the point


def test_fault_45_wrong_value_names_file_line_and_key(tmp_path: Path) -> None:
    path = write(tmp_path / "k.toml", "# words\n\n[beat]\n# more\nlead_ms = 700\n")
    assert complaint(path) == f"{path}:5: beat.lead_ms = 700: must be a number from 20 to 250"


def test_fault_45_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "k.toml", "[audio]\nchannels = 1\ndevcie = 'x'\n")
    assert complaint(path).startswith(f"{path}:3: unknown key audio.devcie; did you mean audio.device?")


def test_fault_45_unknown_section_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "k.toml", "[nodes]\nport = 'off'\n")
    assert complaint(path).startswith(f"{path}:1: unknown section or key nodes; did you mean [node]?")


def test_fault_45_key_outside_its_section(tmp_path: Path) -> None:
    path = write(tmp_path / "k.toml", "baud = 9600\n")
    assert "did you mean node.baud?" in complaint(path)


def test_section_given_as_a_value(tmp_path: Path) -> None:
    assert "node is a section" in complaint(write(tmp_path / "k.toml", "node = 3\n"))


def test_fault_45_all_faults_are_named_in_one_go(tmp_path: Path) -> None:
    path = write(tmp_path / "k.toml", "[audio]\nchannels = 3\nx = 1\n")
    said = complaint(path, {"K1EDGE_NODE__BAUD": "fast", "K1EDGE_LOG__LEVEL": "loud"}, {"node.port": "ttyUSB0"}).splitlines()
    assert len(said) == 5
    assert any(line.startswith("K1EDGE_NODE__BAUD: node.baud = 'fast': must be a whole number from 1200 to") for line in said)
    assert any(line.startswith("K1EDGE_LOG__LEVEL: log.level = 'loud': must be one of debug, info, warning, error") for line in said)
    assert any(line.startswith('--port: node.port = \'ttyUSB0\': must be "auto", "off"') for line in said)


def test_unknown_variable_is_named() -> None:
    assert complaint(None, {"K1EDGE_AUDIO__DEVISE": "x"}).startswith(
        "K1EDGE_AUDIO__DEVISE: unknown key audio.devise; did you mean audio.device?"
    )
    assert complaint(None, {"K1EDGE_AUDIO": "x"}).startswith("K1EDGE_AUDIO: audio is a section")


@pytest.mark.parametrize(
    ("text", "line"),
    [("[audio]\nchannels = \n", 2), ("[audio\n", 1), ("a = 1\na = 2\n", 2), (b"[audio]\n\xff\n", 2), ('x = """\n', 1)],
)
def test_fault_45_broken_toml_names_file_and_line(tmp_path: Path, text: str | bytes, line: int) -> None:
    path = write(tmp_path / "k.toml", text)
    said = complaint(path)
    assert said.startswith(f"{path}:")
    assert abs(int(said.removeprefix(f"{path}:").partition(":")[0]) - line) <= 1  # at the end of the file tomllib counts one more


def test_fault_45_other_files_are_refused(tmp_path: Path) -> None:
    assert "can't be read" in complaint(tmp_path)
    assert "over 1000000 bytes" in complaint(write(tmp_path / "song.wav", b"\0" * 1_000_001))
    assert "nested too deeply" in complaint(write(tmp_path / "deep.toml", "a = " + "[" * 50_000))


@pytest.mark.parametrize(
    "text",
    [
        "[audio]\nchannels = '2'",
        "[audio]\nchannels = true",
        "[audio]\nchannels = 1.5",
        "[beat]\nlead_ms = nan",
        "[audio]\ndevice = 3",
        "[node]\noffset_ms = inf",
    ],
)
def test_types_are_strict_in_files(tmp_path: Path, text: str) -> None:
    assert "must be" in complaint(write(tmp_path / "k.toml", text))


def test_two_keys_that_contradict_blame_the_later_one(tmp_path: Path) -> None:
    path = write(tmp_path / "k.toml", "[beat]\nbpm_max = 60\n")
    assert complaint(path).startswith(f"{path}:2: [beat] bpm_max = 60 must be at least 1.5 times bpm_min = 55")
    assert complaint(None, {}, {"beat.bpm_min": 100.0, "beat.bpm_max": 120.0}).startswith("--beat-bpm-max: [beat] bpm_max = 120")


@pytest.mark.parametrize("port", ["auto", "off", "/dev/ttyACM0", "303A:1001", "303a:1001:AB:CD:EF", "/dev/serial/by-id/usb-x"])
def test_ports_that_can_be(port: str) -> None:
    assert load(None, {}, {"node.port": port}, NOWHERE).node.port == port


@pytest.mark.parametrize("port", ["", "ttyACM0", "3", "303A", "303A:10", "/", "/dev/tty\n"])
def test_ports_that_can_not_be(port: str) -> None:
    assert "must be" in complaint(None, {}, {"node.port": port})


def test_paths_are_absolute_and_fit_the_kernel() -> None:
    assert "absolute" in complaint(None, {}, {"status.socket": "k.sock"})
    assert "0 to 107" in complaint(None, {}, {"status.socket": "/" + "x" * 107})
    assert "absolute" in complaint(None, {}, {"daemon.state_dir": Path("state")})


@pytest.mark.parametrize("bind", ["all", "off", "192.168.1.5", "::1", "fe80::1%eth0", "eth0", "br-lan.10", "wlp2s0"])
def test_binds_that_can_be(bind: str) -> None:
    assert load(None, {}, {"network.bind": bind}, NOWHERE).network.bind == bind


@pytest.mark.parametrize("bind", ["", "two words", "eth0/1", "an-interface-with-a-long-name", "all\n"])
def test_binds_that_can_not_be(bind: str) -> None:
    assert "interface" in complaint(None, {}, {"network.bind": bind})


def test_lists_come_from_files_and_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path / "k.toml", "[network]\norigins = ['http://wall.local:8080', '*']\npeers = ['[fd00::6]:19249']\n")
    settings = load(path, {"K1EDGE_NETWORK__PEERS": "stage.local:1, 10.0.0.6:19249"}, {})
    assert settings.network.origins == ("http://wall.local:8080", "*")
    assert settings.network.peers == ("stage.local:1", "10.0.0.6:19249")


@pytest.mark.parametrize(
    ("key", "value"),
    [("origins", "['wall.local']"), ("origins", "'*'"), ("origins", "[1]"), ("peers", "['stage.local']"), ("peers", "['a:1', '::1:2']")],
)
def test_lists_that_can_not_be(tmp_path: Path, key: str, value: str) -> None:
    path = write(tmp_path / "k.toml", f"[network]\n{key} = {value}\n")
    assert complaint(path).startswith(f"{path}:2: network.{key}")


def test_a_token_is_never_shown(tmp_path: Path) -> None:
    said = complaint(write(tmp_path / "k.toml", "[network]\ntoken = 'hunter2'\n"))
    assert "hunter2" not in said
    assert "k.toml:2: network.token = (not shown): must be empty, 16 to 128" in said
    for shown in ("0123456789abcdef", "/etc/k1edge/lan.token", ""):
        assert load(None, {}, {"network.token": shown}, NOWHERE).network.token == shown


@pytest.mark.parametrize(
    "address", ["off", "mdns", "ws://hub", "wss://hub.local:8443/fleet", "ws://[fe80::1%eth0]:8080", "ws://192.168.1.9:8080/"]
)
def test_hubs_that_can_be(address: str) -> None:
    assert load(None, {}, {"telemetry.uplink": address}, NOWHERE).telemetry.uplink == address


@pytest.mark.parametrize(
    "address",
    ["", "on", "hub.local", "http://hub", "wss://me:secret@hub", "wss://hub/?token=1", "ws://hub:0", "ws://hub:70000", "ws://a b"],
)
def test_fault_45_hubs_that_can_not_be(tmp_path: Path, address: str) -> None:
    said = complaint(write(tmp_path / "k.toml", f"[telemetry]\nuplink = '{address}'\n"))
    assert "k.toml:2: " in said
    assert "uplink = " in said


def test_the_hubs_token_is_never_shown(tmp_path: Path) -> None:
    said = complaint(write(tmp_path / "k.toml", "[telemetry]\nuplink_token = 'hunter2'\n"))
    assert "k.toml:2: telemetry.uplink_token = (not shown)" in said
    assert "hunter2" not in said


def test_a_certificate_needs_its_key() -> None:
    assert "tls_cert and tls_key go together" in complaint(None, {}, {"network.tls_cert": "/etc/k1edge/cert.pem"})


def test_user_file_follows_the_home() -> None:
    assert user_file({"HOME": "/h"}) == Path("/h/.config/k1edge/k1edge.toml")
    assert user_file({"HOME": "/h", "XDG_CONFIG_HOME": "/c"}) == Path("/c/k1edge/k1edge.toml")
    assert user_file({}) is None
    assert files_for(NOWHERE, {"HOME": "/h"}) == [NOWHERE]


def test_lines_are_found_in_every_way_of_writing(tmp_path: Path) -> None:
    text = 'node.horizon_ms = 900\naudio = { device = "a", channels = 1 }\n[ "beat" ]\n"lead_ms" = 90 # = 3\n[log]\nlevel = """\ninfo"""\n'
    path = write(tmp_path / "k.toml", text)
    origins = resolve(path, {}, {}).origins
    lines = {name: origins[name].line for name in ("node.horizon_ms", "audio.device", "audio.channels", "beat.lead_ms", "log.level")}
    assert lines == {"node.horizon_ms": 1, "audio.device": 2, "audio.channels": 2, "beat.lead_ms": 4, "log.level": 6}


def test_keys_inside_a_long_text_are_no_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "k.toml", "[audio]\ndevice = '''\\\nchannels = 9\n'''\nchannels = 9\n")
    assert f"{path}:5: audio.channels = 9" in complaint(path)


def test_sample_is_valid_changes_nothing_and_has_every_key(tmp_path: Path) -> None:
    text = sample_toml()
    assert load(write(tmp_path / "k.toml", text), {}, {}) == Settings()
    bare = "\n".join(line.removeprefix("#") for line in text.splitlines() if not line.startswith("# "))
    table = tomllib.loads(bare)
    assert [f"{section}.{key}" for section, content in table.items() for key in content] == keys()
    assert load(write(tmp_path / "bare.toml", bare), {}, {}) == Settings()
    assert max(map(len, text.splitlines())) <= 120


def test_installed_sample_is_the_generated_one() -> None:
    assert (Path(__file__).parents[1] / "systemd" / "k1edge.toml").read_text(encoding="utf-8") == sample_toml()


def test_every_key_says_what_it_is_and_has_limits() -> None:
    for section, model in SECTIONS.items():
        for key, field in model.model_fields.items():
            assert field.description, f"{section}.{key}"
    assert set(FLAGS) <= set(keys())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(keys()), st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.none(), st.booleans()), max_size=4
    )
)
def test_whatever_comes_ends_as_settings_or_as_a_complaint(flags: dict[str, object]) -> None:
    try:
        loaded = load(None, {}, flags, NOWHERE)
    except ConfigError as error:
        assert str(error).startswith("--")  # noqa: PT017 - either outcome is right, each has its own check
    else:
        assert 20 <= loaded.beat.lead_ms <= 500


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_any_text_as_a_file_is_settings_or_a_complaint_with_a_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = write(tmp_path_factory.getbasetemp() / "any.toml", text.encode("utf-8", "surrogatepass"))
    try:
        load(path, {}, {})
    except ConfigError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017 - either outcome is right
