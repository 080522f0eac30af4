"""Admin: what every client of the admin listener does alike: connect, repeat changes, read page by page."""

import time
import uuid
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import grpc

from fingerpost import errors
from fingerpost.client.catalog_types import AuditEntry
from fingerpost.client.convert import from_error
from fingerpost.client.proof import token_metadata
from fingerpost.client.reading import time_of
from fingerpost.v1 import catalog_service_pb2 as pb

DEFAULT_TIMEOUT_SECONDS = 30.0
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.2  # before each repeat: a connection that broke takes a moment to come back


class AdminClient:
    """Calls the admin listener from ordinary code; safe to share between threads. A context manager, or `close` it.

    Every method raises `errors.FingerpostError`; the class tells what to do. A change whose reply was lost is repeated
    with its key, so that it has one effect.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
    ) -> None:
        """Prepare a channel; it connects at the first call.

        Args:
            target: As unix:data/admin.sock, or HOST:PORT.
            timeout_seconds: Deadline of each call, above 0.
            credentials: For TLS; None speaks plain text.
            token: Says who we are; without it a certificate or our user does.

        Raises:
            InvalidRequest: the token would go through plain text off this machine.
        """
        self._metadata = token_metadata(token, target, credentials)
        # The path of a Unix socket is no name of a host, which the library would send as such.
        options = [("grpc.default_authority", "localhost")] if target.startswith("unix:") else []
        self._channel = (
            grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)
        )
        self._timeout_seconds = timeout_seconds

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Any, message: Any) -> Any:  # noqa: ANN401
        try:
            return method(message, timeout=self._timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_error(error) from error

    def _change(self, method: Any, message: Any) -> Any:  # noqa: ANN401
        """Repeated while it is not known whether it was done: the message has a key."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._call(method, message)
            except errors.Unavailable:
                time.sleep(_PAUSE_SECONDS)
        return self._call(method, message)

    def _pages(self, method: Any, message: Any) -> Iterator[Any]:  # noqa: ANN401
        while True:
            reply = self._call(method, message)
            yield reply
            if not reply.next_page_token:
                return
            message.page_token = reply.next_page_token


def new_key() -> str:
    """Of a change, for its repeats."""
    return uuid.uuid4().hex


def entry_of(one: pb.AuditEntry) -> AuditEntry:
    return AuditEntry(
        one.sequence,
        time_of(one.time),
        one.actor,
        one.action,
        one.catalog,
        one.revision,
        dict(sorted(one.details.items())),
        one.key,
        one.previous_hash,
        one.hash,
    )
