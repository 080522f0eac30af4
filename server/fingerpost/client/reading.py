"""Reading: what enums, absent fields and times of messages mean to callers."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp


def enum_name(enum: Any, prefix: str, number: int) -> str:  # noqa: ANN401  protobuf's enum wrappers have no common type
    """The value's name without its prefix; the bare number where a newer server says what this client lacks."""
    value = enum.DESCRIPTOR.values_by_number.get(number)
    return value.name.removeprefix(prefix) if value else str(number)


def known(message: Any, field: str) -> Any:  # noqa: ANN401
    """The field; None where it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def time_of(time: Timestamp) -> datetime:
    return time.ToDatetime(tzinfo=UTC)
