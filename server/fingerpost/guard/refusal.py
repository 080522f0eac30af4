"""Refusal: why was a request not even begun? One error for all causes, each told apart and counted."""

from enum import StrEnum

from fingerpost.errors import ErrorReason, Overloaded

_MIN_RETRY_AFTER_MS = 100


class Cause(StrEnum):
    """`cause` in the metadata of the error and in the metrics."""

    IN_FLIGHT = "in_flight"  # as many requests are being decided as ever may be
    QUEUE = "queue"  # the wait would be too long
    TENANT = "tenant"  # the tenant has its share of the queue already
    DEADLINE = "deadline"  # the wait would outlast the caller's deadline


_MESSAGES = {
    Cause.IN_FLIGHT: "the server decides as many requests as it may",
    Cause.QUEUE: "the queue is too long",
    Cause.TENANT: "the tenant has its share of the queue already",
    Cause.DEADLINE: "the queue is longer than the call's deadline",
}


def refused(cause: Cause, wait_seconds: float = 0.0, **facts: int) -> Overloaded:
    """RESOURCE_EXHAUSTED with a time after which to try again: when what waits now will have been done."""
    retry_after_ms = max(_MIN_RETRY_AFTER_MS, round(wait_seconds * 1000))
    return Overloaded(
        f"{_MESSAGES[cause]}: retry in {retry_after_ms} ms",
        ErrorReason.RATE_LIMITED if cause is Cause.TENANT else ErrorReason.OVERLOADED,
        metadata={"cause": cause.value, **{name: str(value) for name, value in facts.items()}},
        retry_after_ms=retry_after_ms,
    )
