"""A receiver of webhooks, over real sockets, that behaves as a test wants: well, badly, or not at all."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """What came in."""

    line: str
    headers: Mapping[str, str]  # by lower-case name
    body: bytes


Answer = Callable[[socket.socket, "Receiver"], None]


@dataclass
class Receiver:
    """Answers each connection with the next of its answers, at last with the last one again and again."""

    answers: Sequence[Answer]
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    names: list[str | None] = field(default_factory=list)  # that TLS clients asked for
    ended: threading.Event = field(default_factory=threading.Event)  # set when the test is over
    guard: threading.Lock = field(default_factory=threading.Lock)

    def next_answer(self) -> Answer:
        with self.guard:
            self.connections += 1
            return self.answers[min(self.connections, len(self.answers)) - 1]


def replying(status: int, *headers: str, body: bytes = b"") -> Answer:
    def answer(connection: socket.socket, receiver: Receiver) -> None:
        head = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", *headers, "", ""]
        connection.sendall("\r\n".join(head).encode() + body)

    return answer


def hanging(connection: socket.socket, receiver: Receiver) -> None:
    """Says nothing."""
    receiver.ended.wait()


def closing(connection: socket.socket, receiver: Receiver) -> None:
    """Hangs up without a word."""


def garbage(connection: socket.socket, receiver: Receiver) -> None:
    """Speaks something else."""
    connection.sendall(b"220 mail.example.com ESMTP\r\n")


def trickling(connection: socket.socket, receiver: Receiver) -> None:
    """Sends a header without end, each letter in time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    _pour(connection, receiver, b"x", pause=0.02)


def patient(connection: socket.socket, receiver: Receiver) -> None:
    """Says again and again that the answer is yet to come (RFC 9110, 15.2.1)."""
    _pour(connection, receiver, b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.02)


def endless(connection: socket.socket, receiver: Receiver) -> None:
    """Sends a body without end, as fast as it can."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    _pour(connection, receiver, b"x" * 65_536)


def slow_body(connection: socket.socket, receiver: Receiver) -> None:
    """Says 200, promises a body, and sends none."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    receiver.ended.wait()


def _pour(connection: socket.socket, receiver: Receiver, data: bytes, pause: float = 0.0) -> None:
    with suppress(OSError):  # the sender has hung up
        while not receiver.ended.wait(pause):
            connection.sendall(data)


@contextmanager
def receiving(
    *answers: Answer, context: ssl.SSLContext | None = None, before: Answer | None = None
) -> Iterator[Receiver]:
    """A receiver on a free port of 127.0.0.1.

    Args:
        answers: One a connection, after its request was read.
        context: Of TLS; None: plain.
        before: Instead of TLS and request.
    """
    receiver = Receiver(answers)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            answer = receiver.next_answer() if before is None else before
            with suppress(OSError):  # the sender may hang up at any time
                if before is None:
                    with _spoken(self.request, context) as connection:
                        receiver.requests.append(_read(connection))
                        answer(connection, receiver)
                else:
                    answer(self.request, receiver)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    if context is not None:
        context.sni_callback = lambda _, name, __: receiver.names.append(name)
    with Server(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield receiver
        finally:
            receiver.ended.set()
            server.shutdown()


def _spoken(plain: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    return plain if context is None else context.wrap_socket(plain, server_side=True)


def _read(connection: socket.socket) -> Request:
    with connection.makefile("rb") as stream:
        line = stream.readline().decode().strip()
        headers: dict[str, str] = {}
        while text := stream.readline().decode().strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        return Request(line, headers, stream.read(int(headers.get("content-length", "0"))))
