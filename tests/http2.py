"""Just enough HTTP/2 to misbehave: frames by hand over a socket, as no gRPC library would send them."""

import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

ENHANCE_YOUR_CALM = 0xB
CANCEL = 0x8

_END_HEADERS, _END_STREAM, _ACK = 0x4, 0x1, 0x1


class Kind(IntEnum):
    """Types of frames."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def is_ack(self) -> bool:
        """Of a frame of settings or a ping: whether it answers one of ours."""
        return bool(self.flags & _ACK)


def frame(kind: Kind, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    """A frame as bytes."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def address_of(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host, int(port)


class RawConnection:
    """A connection of our own making; a context manager."""

    def __init__(
        self, target: str, method: str = "/fingerpost.v1.RouterService/Route", *, answers_pings: bool = False
    ) -> None:
        self._answers_pings = answers_pings
        self._socket = socket.create_connection(address_of(target), timeout=10)
        self._headers = _headers(target, method)
        self._next_stream = 1
        self._buffer = b""

    def __enter__(self) -> Self:
        self.send(PREFACE + frame(Kind.SETTINGS))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def call(self, message: bytes) -> int:
        """Begin a whole call and give its stream's number."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        prefixed = b"\0" + struct.pack(">I", len(message)) + message
        self.send(
            frame(Kind.HEADERS, stream, self._headers, _END_HEADERS) + frame(Kind.DATA, stream, prefixed, _END_STREAM)
        )
        return stream

    def reset(self, stream: int) -> None:
        self.send(frame(Kind.RST_STREAM, stream, struct.pack(">I", CANCEL)))

    def ping(self) -> None:
        self.send(frame(Kind.PING, payload=b"12345678"))

    def frames(self, seconds: float) -> Iterator[Frame]:
        """What the server sends within the time, acknowledging its settings; ends early when it closes."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            while (found := self._cut()) is not None:
                if found.kind == Kind.SETTINGS and not found.is_ack:
                    self.send(frame(Kind.SETTINGS, flags=_ACK))
                if self._answers_pings and found.kind == Kind.PING and not found.is_ack:
                    self.send(frame(Kind.PING, payload=found.payload, flags=_ACK))
                yield found
            self._socket.settimeout(left)
            try:
                received = self._socket.recv(65_536)
            except (TimeoutError, ConnectionError):
                return
            if not received:
                return
            self._buffer += received

    def _cut(self) -> Frame | None:
        """The next whole frame of what was received."""
        if len(self._buffer) < 9:
            return None
        length = int.from_bytes(self._buffer[:3], "big")
        if len(self._buffer) < 9 + length:
            return None
        kind, flags, stream = struct.unpack(">BBI", self._buffer[3:9])
        payload, self._buffer = self._buffer[9 : 9 + length], self._buffer[9 + length :]
        return Frame(kind, flags, stream & 0x7FFFFFFF, payload)


def _headers(target: str, method: str) -> bytes:
    """The header block of a gRPC call: literals that neither side indexes."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": target,
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in fields.items())


def _string(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 127, "longer ones need a length of several bytes"
    return bytes([len(data)]) + data
