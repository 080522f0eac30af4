"""Webhook: sends a signed message to a URL, as the Standard Webhooks specification 1.0.0 says; blocks, within bounds.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from urllib.parse import unquote_to_bytes

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from fingerpost import __version__
from fingerpost.errors import ErrorReason, FailedPrecondition, FieldViolation, InvalidRequest, Unavailable

_PORTS = {"http": 80, "https": 443}
_MOST_ADDRESSES = 4
_READ_BYTES = 4_096
_LATER = frozenset({408, 425, 429})
_SECONDS = re.compile(r"\d{1,9}")
_ID = re.compile(r"[A-Za-z0-9_:-]{1,128}")  # without a full stop, which divides what is signed

_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254")))
"""Where clouds tell machines their credentials, beside the link-local 169.254.169.254."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long what may take, seconds."""

    connect: float = 2.0  # to each address, and as long again to speak TLS
    read: float = 5.0  # between bytes
    total: float = 10.0  # all of it; only resolving the name may take longer, and then nothing is sent


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, checked."""

    secure: bool
    host: str  # without brackets
    port: int
    path: str  # with the query
    host_header: str
    authorization: str  # empty: none

    @property
    def name(self) -> str:
        """What may stand in a log: neither user nor path nor query, which can hold secrets."""
        return f"{'https' if self.secure else 'http'}://{self.host_header}"


def target_of(url: str) -> Target:
    """A URL of a webhook.

    Raises:
        InvalidRequest: it is none, or plain http to another machine.
    """
    try:
        parts = parse_url(url)
        host = (parts.host or "").strip("[]")
        host.encode("idna")
    except (LocationParseError, ValueError) as error:  # whose messages may quote a password
        raise _refused("it is no URL: give one as https://alerts.example.com/budgets") from error
    if parts.scheme not in _PORTS or not host:
        raise _refused("give the whole URL, as https://alerts.example.com/budgets")
    if parts.scheme == "http" and not _loops_back(host):
        raise _refused("plain http would show alerts to whoever is between: give an https URL")
    port = parts.port or _PORTS[parts.scheme]
    shown = str(parts.host) + (f":{port}" if port != _PORTS[parts.scheme] else "")
    user = f"Basic {base64.b64encode(unquote_to_bytes(parts.auth)).decode()}" if parts.auth else ""
    return Target(parts.scheme == "https", host, port, parts.request_uri, shown, user)


def signature(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The symmetric scheme, `v1`: HMAC-SHA256 over id, timestamp and body with full stops between, in base64."""
    signed = hmac.digest(secret, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


class Webhook:
    """Posts to one URL. Safe to use from several threads; nothing is kept between messages, cookies least of all."""

    def __init__(
        self,
        target: Target,
        secrets: Callable[[], Sequence[bytes]],
        *,
        bounds: Bounds | None = None,
        context: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """Nothing is resolved or connected yet.

        Args:
            target: Where to.
            secrets: Those to sign with now: each gives a signature, so that receivers can change over in between.
            bounds: How long what may take.
            context: Whom to trust; None: the authorities of the machine.
            resolve: Gives the addresses of a name; asked once for each message. None: the resolver of the machine.
        """
        self._target = target
        self._secrets = secrets
        self._bounds = bounds or Bounds()
        self._context = (context or ssl.create_default_context()) if target.secure else None
        self._resolve = resolve or _resolve

    def send(self, body: bytes, id: str, now_s: float) -> None:
        """Return when the receiver has accepted it with a 2xx status.

        Args:
            body: JSON.
            id: The same at each attempt; letters, digits, `_`, `-` and `:`.
            now_s: Of this attempt, seconds since the epoch.

        Raises:
            Unavailable: it may be accepted later: no connection, no answer in time, 408, 425, 429 or 5xx; with
                `retry_after_ms` where the receiver says when.
            FailedPrecondition: it will not be: any other status, redirects too; TLS; an address that is never called.
        """
        until = time.monotonic() + self._bounds.total
        headers = self._headers(body, id, int(now_s))
        connection = self._connected(until)
        try:
            status, retry_after = self._post(connection, headers, body, until)
        finally:
            connection.close()
        if 200 <= status < 300:
            return
        if status in _LATER or status >= 500:
            raise self._unavailable(f"answers with status {status}", retry_after_ms(retry_after, now_s))
        also = ": redirects are not followed, so give the URL that it leads to" if 300 <= status < 400 else ""
        raise self._hopeless(f"answers with status {status}{also}")

    def _headers(self, body: bytes, id: str, timestamp: int) -> dict[str, str]:
        if _ID.fullmatch(id) is None:
            raise self._hopeless("cannot be told an id like this")
        headers = {
            "Host": self._target.host_header,
            "User-Agent": f"fingerpost/{__version__}",
            "Content-Type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signature(secret, id, timestamp, body) for secret in self._secrets()),
        }
        return headers | ({"Authorization": self._target.authorization} if self._target.authorization else {})

    # --- Connecting -----------------------------------------------------------------------------------------------

    def _connected(self, until: float) -> HTTPConnection:
        """To the first address that takes it. What was checked is what is connected to: no name is resolved again."""
        for address in self._addresses():
            if (left := until - time.monotonic()) <= 0:
                break
            connection = self._connection(address, min(left, self._bounds.connect))
            try:
                connection.connect()
            except (OSError, HTTPError) as error:
                connection.close()
                if _is_tls(error):
                    raise self._hopeless(f"cannot be trusted or understood: {_tls_words(error)}") from error
            else:
                return connection
        raise self._unavailable("cannot be reached")

    def _addresses(self) -> Sequence[str]:
        try:
            found = self._resolve(self._target.host, self._target.port)
        except OSError as error:
            raise self._unavailable("has a name that cannot be resolved") from error
        allowed = [address for address in found if not _forbidden(_parsed(address))]
        if not self._target.secure:
            allowed = [address for address in allowed if _loops_back(address)]
        if not allowed:
            raise self._hopeless("has no address but such as are never called: link-local ones and those of metadata")
        return allowed[:_MOST_ADDRESSES]

    def _connection(self, address: str, seconds: float) -> HTTPConnection:
        if self._context is None:
            return HTTPConnection(address, self._target.port, timeout=seconds)
        # The certificate is checked for the name, which the receiver is told too (SNI), not for the address.
        return HTTPSConnection(
            address,
            self._target.port,
            timeout=seconds,
            server_hostname=self._target.host,
            ssl_context=self._context,
        )

    # --- Posting --------------------------------------------------------------------------------------------------

    def _post(
        self, connection: HTTPConnection, headers: dict[str, str], body: bytes, until: float
    ) -> tuple[int, str | None]:
        left = until - time.monotonic()
        connection.timeout = min(self._bounds.read, max(left, 0.001))
        try:
            with _cut_after(connection, left):
                connection.request(
                    "POST", self._target.path, body, headers, preload_content=False, decode_content=False
                )
                response = connection.getresponse()
                _drop(response)
        except (OSError, HTTPError, HTTPException) as error:
            if _is_tls(error):  # as of TLS 1.3 a receiver may refuse after the handshake
                raise self._hopeless(f"cannot be trusted or understood: {_tls_words(error)}") from error
            raise self._unavailable("gives no answer") from error
        return response.status, response.headers.get("retry-after")

    def _unavailable(self, what: str, after_ms: int | None = None) -> Unavailable:
        return Unavailable(
            f"the webhook at {self._target.name} {what}", ErrorReason.ADDRESS_UNAVAILABLE, retry_after_ms=after_ms
        )

    def _hopeless(self, what: str) -> FailedPrecondition:
        return FailedPrecondition(
            f"the webhook at {self._target.name} {what}; see FINGERPOST_ALERT_WEBHOOK", ErrorReason.ADDRESS_UNAVAILABLE
        )


def retry_after_ms(value: str | None, now_s: float) -> int | None:
    """What a Retry-After header says, seconds or a date (RFC 9110, 10.2.3); None where it says nothing of use."""
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return int(text) * 1_000
    try:
        return max(0, round((parsedate_to_datetime(text).timestamp() - now_s) * 1_000))
    except (ValueError, TypeError, OverflowError):
        return None


@contextmanager
def _cut_after(connection: HTTPConnection, seconds: float) -> Iterator[None]:
    """End what is being read or written after that time, even if it trickles in all the while."""
    held = connection.sock

    def cut() -> None:
        with suppress(OSError):  # it has ended by itself
            # Of the plain socket: that of TLS would change what the other thread is just using.
            socket.socket.shutdown(held, socket.SHUT_RDWR)

    timer = threading.Timer(max(seconds, 0.0), cut)
    timer.daemon = True  # the end of the process does not wait for it
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _drop(response: HTTPResponse) -> None:
    """Read a little, so that the receiver can finish writing; the status has said everything already."""
    with suppress(OSError, HTTPError, HTTPException):
        response.read(_READ_BYTES, decode_content=False)


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def _parsed(address: str) -> Address:
    """The address itself; of one that stands for an IPv4 address that one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64:
            return ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        return found.ipv4_mapped or found.sixtofour or found
    return found


def _forbidden(address: Address) -> bool:
    return address.is_link_local or address in _METADATA


def _loops_back(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def _is_tls(error: Exception) -> bool:
    """Whether TLS itself failed; a connection that only ended is tried again."""
    ended = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    return isinstance(error, ssl.SSLError) and not isinstance(error, ended)


def _tls_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate: {error.verify_message}"
    return f"TLS: {getattr(error, 'reason', None) or 'unknown'}"


def _refused(description: str) -> InvalidRequest:
    return InvalidRequest(
        f"FINGERPOST_ALERT_WEBHOOK: {description}", fields=[FieldViolation("alert_webhook", description)]
    )
