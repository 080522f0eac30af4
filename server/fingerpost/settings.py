"""Settings: the only reader of the environment. Each is FINGERPOST_<NAME> or an option of `fingerpost serve`."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fingerpost.errors import FieldViolation, InvalidRequest

_PREFIX = "FINGERPOST_"


def _embed_threads() -> int:
    return max(1, (os.cpu_count() or 2) - 1)


class Settings(BaseSettings):
    """Everything that can be set, frozen after it was read once."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    data: Path = Field(Path("data"), description="Folder of revisions, encoders and pointers.")
    store: str = Field(
        "",
        repr=False,
        description="URL of the ledger's database, as postgresql://USER@HOST/NAME; empty: SQLite in the data folder.",
    )
    shared: str = Field(
        "", repr=False, description="Folder or URL of artefacts that machines share; empty: the data folder alone."
    )
    listen: str = Field("127.0.0.1:50051", description="HOST:PORT to serve on; port 0 takes a free one.")
    tls_certificate: str = Field("", description="PEM file of the server's certificate chain; empty: plain text.")
    tls_key: str = Field("", description="PEM file of its key, without passphrase; read anew when it changes.")
    tls_client_ca: str = Field(
        "", description="PEM file of authorities; with it every client must show a certificate of one of them."
    )
    allow_plaintext: bool = Field(
        False, description="Listen beyond loopback without TLS, where something else protects the way."
    )
    allow_anonymous: bool = Field(
        False, description="Let whoever reaches a listener beyond loopback call it, without token or certificate."
    )
    access: str = Field(
        "", description="YAML file of who may do what, by token, certificate or user; read anew when it changes."
    )
    admin_listen: str = Field(
        "",
        description="Where those who look after the server call it: unix:PATH, HOST:PORT or none; empty: admin.sock in "
        "the data folder, where that is possible.",
    )
    embed_threads: int = Field(
        default_factory=_embed_threads,
        ge=1,
        le=256,
        description="Threads of the engine that embed and search; default: cores minus one, at least one.",
    )
    in_flight_calls: int = Field(1024, ge=1, le=100_000, description="Requests decided at a time; more are refused.")
    queue_standing_ms: int = Field(
        250,
        ge=1,
        le=60_000,
        description="Longest wait for an embedding thread while work keeps coming too fast, milliseconds.",
    )
    queue_burst_ms: int = Field(
        1_000, ge=1, le=60_000, description="Longest wait for an embedding thread in a burst, milliseconds."
    )
    cache_bytes: int = Field(
        67_108_864, ge=0, le=17_179_869_184, description="About what the exact cache of results may occupy; 0: none."
    )
    cache_ttl_s: int = Field(3_600, ge=1, le=31_536_000, description="After it a cached result is made anew, seconds.")
    metrics_listen: str = Field(
        "", description="HOST:PORT of the Prometheus endpoint; empty: none. Anybody who reaches it can read it."
    )
    traces_endpoint: str = Field(
        "", description="URL of an OpenTelemetry collector, OTLP over HTTP, as http://127.0.0.1:4318; empty: no traces."
    )
    decision_log: str = Field(
        "", description="Folder to write sampled decisions to, without their texts, as lines of JSON; empty: none."
    )
    decision_log_share: float = Field(
        1.0, gt=0, le=1, description="Share of decisions that are written to the decision log."
    )
    decision_log_days: int = Field(
        30, ge=1, le=3_650, description="After so many days a file of the decision log is removed."
    )
    decision_log_text_days: int = Field(
        0, ge=0, le=3_650, description="Above 0, texts are written too, and their files removed after so many days."
    )
    decision_log_bytes: int = Field(
        1_073_741_824, ge=1_048_576, description="Room of the decision log; the oldest files go when it is full."
    )
    alert_webhook: str = Field(
        "",
        repr=False,
        description="URL that alerts of budgets are sent to, https or on this machine; empty: log and metric alone.",
    )
    alert_secret_file: str = Field(
        "",
        description="File of the secret that signs them, as whsec_BASE64, a second line while it is replaced; read "
        "anew when it changes.",
    )
    default_deadline_ms: int = Field(
        2_000, ge=1, le=600_000, description="Time for a call that sets no deadline, milliseconds."
    )
    text_bytes: int = Field(1_048_576, ge=1, le=67_108_864, description="Longest text accepted, bytes of UTF-8.")
    message_bytes: int = Field(4_194_304, ge=1_024, le=268_435_456, description="Largest message accepted, bytes.")
    batch_items: int = Field(256, ge=1, le=10_000, description="Most requests in a batch.")
    metadata_pairs: int = Field(64, ge=0, le=10_000, description="Most pairs in a request's `metadata` field.")
    metadata_bytes: int = Field(4_096, ge=0, le=1_048_576, description="Most bytes in a request's `metadata` field.")
    conversation_turns: int = Field(64, ge=1, le=10_000, description="Most turns of a conversation.")
    turn_parts: int = Field(64, ge=1, le=10_000, description="Most parts of a turn.")
    alternatives: int = Field(20, ge=0, le=1_000, description="Most alternatives in a reply.")
    connection_age_ms: int = Field(
        300_000,
        ge=100,
        le=86_400_000,
        description="After it a connection is closed gently, so that clients meet new replicas, milliseconds.",
    )
    connections: int = Field(
        10_000, ge=1, le=1_000_000, description="Connections at a time; more are closed as they come."
    )
    connection_streams: int = Field(
        1_024,
        ge=1,
        le=100_000,
        description="Calls at a time on one connection; more are refused with UNAVAILABLE, which clients retry.",
    )
    connection_handshake_ms: int = Field(
        10_000, ge=100, le=600_000, description="Time for a new connection to speak HTTP/2, milliseconds."
    )
    connection_idle_ms: int = Field(
        120_000, ge=100, le=86_400_000, description="After it a connection without calls is closed, milliseconds."
    )
    connection_ping_ms: int = Field(
        60_000,
        ge=100,
        le=86_400_000,
        description="After it a silent client is pinged, and given up without an answer in as long, at most 20 s.",
    )
    reload_poll_ms: int = Field(
        500, ge=10, le=60_000, description="How often activations are looked for, milliseconds."
    )
    ledger_poll_ms: int = Field(
        5_000, ge=50, le=600_000, description="With `store`: longest time between looks at the ledger, milliseconds."
    )
    stale_after_s: int = Field(
        600, ge=1, le=31_536_000, description="Age of the last look at the ledger from which it is overdue, seconds."
    )
    stale_policy: str = Field(
        "serve",
        pattern="^(strict|serve)$",
        description="What health says when that is overdue: serve (SERVING all the same) or strict (NOT_SERVING).",
    )
    report_window_s: int = Field(
        3_600,
        ge=60,
        le=2_592_000,
        description="How long after a decision its outcome may be reported; what budgets reserved for it counts as its "
        "cost from then on, seconds.",
    )
    report_days: int = Field(90, ge=1, le=3_650, description="After so many days a reported outcome is removed.")
    drain_wait_ms: int = Field(
        500, ge=0, le=120_000, description="After SIGTERM: time for balancers to look away, milliseconds."
    )
    drain_grace_ms: int = Field(
        10_000, ge=0, le=600_000, description="After that: time for calls in flight to finish, milliseconds."
    )
    log_format: str = Field(
        "auto", pattern="^(auto|json|text)$", description="auto (text on a terminal), json or text."
    )


def read_settings(given: Mapping[str, object]) -> Settings:
    """Settings from what was given, then the environment, then the defaults.

    Raises:
        InvalidRequest: a value is out of range, or an environment variable with our prefix names no setting.
    """
    unknown = [name for name in os.environ if name.startswith(_PREFIX) and not _known(name)]
    if unknown:
        raise InvalidRequest(f"no such setting: {', '.join(sorted(unknown))}: see docs/reference/settings.md")
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        fields = [FieldViolation(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        message = "; ".join(f"{f.field}: {f.description}" for f in fields)
        raise InvalidRequest(f"settings: {message}", fields=fields) from error


_OF_COMMANDS = {
    "TARGET",
    "TOKEN",
    "CA",
    "CERTIFICATE",
    "KEY",
    "ENCODER",
    "PRECISION",
}  # read by other commands than serve


def _known(name: str) -> bool:
    short = name.removeprefix(_PREFIX)
    return short in _OF_COMMANDS or short.lower() in Settings.model_fields
