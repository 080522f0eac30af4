"""Call: what is known of the call that runs in this task."""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from fingerpost.errors import FingerpostError
from fingerpost.serve.pipeline import Answer
from fingerpost.types import Principal


@dataclass(slots=True)
class Call:
    """One call, from its first byte to its last."""

    method: str  # as on the wire: /fingerpost.v1.RouterService/Route
    started: float  # time.monotonic seconds
    request_id: str = ""
    deadline: float = 0.0  # time.monotonic seconds
    principal: Principal | None = None  # who calls; None where nobody is asked to say so
    answers: list[Answer] = field(default_factory=list)
    errors: list[FingerpostError] = field(default_factory=list)  # of the call, or of items of its batch


CALL: ContextVar[Call] = ContextVar("call")

ReadHeaders = Callable[[], Iterable[tuple[str, str | bytes]] | None]
"""Gives what the caller sent as gRPC metadata; only who wants it pays for it."""


class Observer(Protocol):
    """Hears of calls that are over."""

    def finished(self, call: Call, code: grpc.StatusCode, read_headers: ReadHeaders) -> None: ...
