"""Connections: what one of them may cost, as options of the gRPC library."""

from fingerpost.settings import Settings

_AGE_GRACE_MS = 600_000  # longer than any deadline that a setting allows: no call is cut short

_LEAST_PING_MS = 30_000  # clients are told one minute; half of it forgives a clock that is not exact

_LONGEST_PONG_MS = 20_000

_PENDING_SHARE = 2
"""Calls that may wait for the loop to look at them, for each that may be in flight; the library cancels what is beyond.
With fewer it would cancel what we can refuse with a time to wait; with more, calls would wait until their own time is
over: docs/decisions/0014-bounds-of-connections.md."""


def connection_options(settings: Settings) -> list[tuple[str, int]]:
    """Bounds of number, age, idleness and silence.

    The bound of streams is what stops those who open and reset them without end: the library refuses a stream as long
    as so many earlier ones are not quite gone. It must lie well above what honest clients have in flight, since theirs
    are refused too then.
    """
    pending = _PENDING_SHARE * settings.in_flight_calls
    pong_ms = min(settings.connection_ping_ms, _LONGEST_PONG_MS)
    return [
        ("grpc.server.max_pending_requests", pending),
        ("grpc.server.max_pending_requests_hard_limit", pending),
        ("grpc.max_allowed_incoming_connections", settings.connections),
        ("grpc.max_concurrent_streams", settings.connection_streams),
        ("grpc.server_handshake_timeout_ms", settings.connection_handshake_ms),
        ("grpc.max_connection_idle_ms", settings.connection_idle_ms),
        ("grpc.max_connection_age_ms", settings.connection_age_ms),
        ("grpc.max_connection_age_grace_ms", _AGE_GRACE_MS),
        ("grpc.keepalive_time_ms", settings.connection_ping_ms),
        ("grpc.keepalive_timeout_ms", pong_ms),
        ("grpc.http2.ping_timeout_ms", pong_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _LEAST_PING_MS),
    ]
