"""What can be set: every key with its default, its range, its unit and its sign. The sample file is made from these descriptions."""

import re
from ipaddress import ip_address
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_NAME = r"^[^\x00-\x1f\x7f]*$"
"""Names and paths: anything printable."""

MIN_TEMPO_SPAN = 1.5
"""bpm_max over bpm_min: a narrower range leaves the tracker no second hypothesis to be wrong about."""

PORT_FORMS = '"auto", "off", a path such as /dev/ttyACM0, or VID:PID with or without :SERIAL such as 303A:1001'

_PORT = r"^(auto|off|/[^\x00-\x1f\x7f]+|[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}(:[^\x00-\x1f\x7f]{1,64})?)$"


def _path(text: str) -> str:
    """Refuse a relative path: a daemon has no place it is relative to."""
    if text and not text.startswith("/"):
        msg = "needs an absolute path, or nothing for the default"
        raise ValueError(msg)
    return text


AbsolutePath = Annotated[str, Field(max_length=4096, pattern=_NAME), AfterValidator(_path)]
"""Empty, or from the root."""

SocketPath = Annotated[str, Field(max_length=107, pattern=_NAME), AfterValidator(_path)]
"""An absolute path within the 107 bytes that the kernel takes for a Unix socket."""


BIND_FORMS = '"all", "off", an address such as 192.168.1.5 or fe80::1%eth0, or an interface such as eth0'

_BIND = r"^(all|off|[0-9A-Fa-f.:]{2,45}(%[^\x00-\x20/\x7f]{1,15})?|[^\x00-\x20/\x7f]{1,15})$"

SHOWN_FORMS = "empty, 16 to 128 letters, digits or ._~+- of your own making, or the absolute path of a file that holds such a token"

_SHOWN = r"^([A-Za-z0-9._~+-]{16,128}|/[^\x00-\x1f\x7f]+)?$"

ORIGIN_FORMS = 'a list of at most 32 origins such as ["http://wall.local:8080"], or ["*"] for any'

_ORIGIN = r"^(\*|null|https?://[^\x00-\x20/?#\x7f]+)$"

PEER_FORMS = 'a list of at most 64 such as ["192.168.1.6:19249", "[fd00::6]:19249", "stage.local:19249"]'

_PEER = r"^(\[[0-9A-Fa-f:.]+(%[^\x00-\x20/\]\x7f]+)?\]|[^\x00-\x20/:\[\]\x7f]+):[0-9]{1,5}$"

UPLINK_FORMS = '"off", "mdns" for a hub that announces itself, or its address such as wss://hub.local or ws://192.168.1.9:8080/fleet'

_UPLINK = r"^(off|mdns|wss?://(\[[0-9A-Fa-f:.]+(%[^\x00-\x20/\]\x7f]+)?\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?)$"
"""No user, no question mark: an address is shown, a secret is not."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)


class AudioSettings(_Section):
    """Where the sound comes in."""

    device: str = Field(
        "default",
        min_length=1,
        max_length=200,
        pattern=_NAME,
        description='Capture device by exact name, unique beginning of it, or ALSA card id; never by number. See "k1edge devices audio".',
    )
    channels: int = Field(2, ge=1, le=2, description="Channels to capture and mix down.")


class BeatSettings(_Section):
    """How beats are predicted."""

    lead_ms: float = Field(
        100.0, ge=20, le=250, description="How far ahead of its time a beat is committed, in ms; never moved after that."
    )
    bpm_min: float = Field(55.0, ge=30, le=200, description="Slowest tempo considered, in beats per minute.")
    bpm_max: float = Field(215.0, ge=45, le=300, description="Fastest tempo considered, in beats per minute; at least 1.5 times bpm_min.")
    prior_bpm: float = Field(
        120.0,
        ge=30,
        le=300,
        description="Tempo expected before any sound, in beats per minute; where music leaves a tempo and its double open, the nearer one wins.",
    )
    prior_octaves: float = Field(
        0.8, ge=0.2, le=4, description="How widely tempi are expected around prior_bpm, in octaves; 0.2 insists, 4 hardly minds."
    )

    hearing: Literal["network", "flux"] = Field(
        "network", description="What tells beats: small trained networks beside the signal processing, or the latter alone."
    )

    @model_validator(mode="after")
    def _spans(self) -> Self:
        if self.bpm_max < MIN_TEMPO_SPAN * self.bpm_min:
            msg = f"bpm_max = {self.bpm_max:g} must be at least {MIN_TEMPO_SPAN:g} times bpm_min = {self.bpm_min:g}"
            raise ValueError(msg)
        return self


class NodeSettings(_Section):
    """The LED node at the other end of the wire."""

    port: str = Field(
        "auto", max_length=4096, pattern=_PORT, description="Serial port of the node.", json_schema_extra={"forms": PORT_FORMS}
    )
    offset_ms: float = Field(0.0, ge=-500, le=500, description="Moves every flash, in ms; + = later, - = earlier.")
    unique_id: str = Field(
        "", max_length=64, pattern=_NAME, description='Accept only the node with this unique id, as "k1edge status" shows it; empty = any.'
    )
    baud: int = Field(921_600, ge=1200, le=4_000_000, description="Bits per second of a real UART; USB ignores it.")
    identify_drain_ms: int = Field(
        2000, ge=0, le=10_000, description="How long a freshly opened port may pour out boot text before it is asked who it is, in ms."
    )
    horizon_ms: int = Field(
        2000, ge=500, le=2000, description="How far ahead beats are sent at most, in ms; what the node may flash when the wire breaks."
    )


class NetworkSettings(_Section):
    """What the LAN sees: reading only."""

    bind: str = Field(
        "all",
        max_length=64,
        pattern=_BIND,
        description="Where the LAN server listens, on IPv4 and IPv6.",
        json_schema_extra={"forms": BIND_FORMS},
    )
    port: int = Field(
        19_249, ge=0, le=65_535, description='Its port; 19249 is "K1" in ASCII, 0 takes any free one, which "k1edge status" shows.'
    )
    name: str = Field(
        "",
        max_length=40,
        pattern=_NAME,
        description="What others call this daemon on the LAN, such as kitchen; empty = the name of this host.",
    )
    token: str = Field(
        "",
        max_length=4096,
        pattern=_SHOWN,
        description="What everybody on the LAN must show to read anything; empty = nothing. Give it with TLS: without, it can be overheard.",
        json_schema_extra={"forms": SHOWN_FORMS},
    )
    tls_cert: AbsolutePath = Field("", description="Certificate chain, PEM; with tls_key the server speaks HTTPS only.")
    tls_key: AbsolutePath = Field("", description="Private key of tls_cert, PEM, without a passphrase.")
    origins: Annotated[tuple[Annotated[str, Field(strict=True, max_length=300, pattern=_ORIGIN)], ...], Field(strict=False)] = Field(
        (),
        max_length=32,
        description="Web pages of other hosts that may read from here in a browser, besides our own page.",
        json_schema_extra={"forms": ORIGIN_FORMS},
    )
    rate_hz: float = Field(10.0, ge=10, le=50, description="Telemetry messages per second.")
    peers: Annotated[tuple[Annotated[str, Field(strict=True, max_length=300, pattern=_PEER)], ...], Field(strict=False)] = Field(
        (),
        max_length=64,
        description="Other k1edge daemons that multicast does not find, as host:port.",
        json_schema_extra={"forms": PEER_FORMS},
    )

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            msg = "tls_cert and tls_key go together: give both, or neither"
            raise ValueError(msg)
        return self

    @property
    def is_local(self) -> bool:
        """Whether `bind` lets in nobody from beyond this host."""
        try:
            return self.bind in {"lo", "off"} or ip_address(self.bind).is_loopback
        except ValueError:
            return False


class TelemetrySettings(_Section):
    """The hub of a fleet, which this daemon calls by itself, also where network.bind is "off"."""

    uplink: str = Field(
        "off", max_length=300, pattern=_UPLINK, description="The hub to push telemetry to.", json_schema_extra={"forms": UPLINK_FORMS}
    )
    uplink_token: str = Field(
        "",
        max_length=4096,
        pattern=_SHOWN,
        description="What the hub wants to be shown; empty = nothing. Give it with wss: without, it can be overheard.",
        json_schema_extra={"forms": SHOWN_FORMS},
    )
    uplink_ca: AbsolutePath = Field(
        "", description="Certificates, PEM, of the only authorities that may vouch for the hub; empty = those of the system."
    )

    @model_validator(mode="after")
    def _port_is_one(self) -> Self:
        port = re.search(r"^wss?://[^/]+:(\d+)(/|$)", self.uplink)
        if port is not None and not 1 <= int(port[1]) <= 65_535:
            msg = f"uplink = {self.uplink!r}: a port is a number from 1 to 65535"
            raise ValueError(msg)
        return self


class StatusSettings(_Section):
    """Where the daemon tells how it is."""

    socket: SocketPath = Field(
        "", description="Unix socket of the status; empty = k1edge.sock in $RUNTIME_DIRECTORY, /run/k1edge or $XDG_RUNTIME_DIR/k1edge."
    )


class DaemonSettings(_Section):
    """The daemon itself."""

    id: str = Field("", max_length=64, pattern=_NAME, description="Name of this daemon in status; empty = made once and kept in state_dir.")
    state_dir: AbsolutePath = Field(
        "", description="Folder of what is remembered; empty = $STATE_DIRECTORY, /var/lib/k1edge or ~/.local/state/k1edge."
    )
    restart_budget: int = Field(
        5, ge=0, le=100, description="How many restarts of failed parts are allowed per 60 s before the daemon gives up."
    )


class LogSettings(_Section):
    """What is written to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    format: Literal["auto", "json", "text"] = Field("auto", description="auto = text on a terminal, JSON otherwise.")


class Settings(_Section):
    """Everything that can be set, checked and frozen."""

    audio: AudioSettings = AudioSettings()
    beat: BeatSettings = BeatSettings()
    node: NodeSettings = NodeSettings()
    network: NetworkSettings = NetworkSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    status: StatusSettings = StatusSettings()
    daemon: DaemonSettings = DaemonSettings()
    log: LogSettings = LogSettings()


SECTIONS: dict[str, type[BaseModel]] = {
    "audio": AudioSettings,
    "beat": BeatSettings,
    "node": NodeSettings,
    "network": NetworkSettings,
    "telemetry": TelemetrySettings,
    "status": StatusSettings,
    "daemon": DaemonSettings,
    "log": LogSettings,
}
"""In the order of the sample file."""

SECRETS = frozenset({"network.token", "telemetry.uplink_token"})
"""Keys whose value is not shown."""


def keys() -> list[str]:
    """Every key as `section.key`, in the order of the sample file."""
    return [f"{section}.{key}" for section, model in SECTIONS.items() for key in model.model_fields]
