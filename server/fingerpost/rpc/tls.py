"""TLS: certificates from files, used for new connections as soon as the files change."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.settings import Settings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Files:
    """Where the parts lie; without `client_ca` clients need no certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.certificate, self.key) if self.client_ca is None else (self.certificate, self.key, self.client_ca)

    def read(self) -> tuple[bytes, ...]:
        return tuple(path.read_bytes() for path in self.all)


class Certificates:
    """What the server shows to clients, and what it asks of them."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        """Read the files.

        Raises:
            InvalidRequest: they do not fit together or cannot be read.
        """
        self._files = _Files(certificate, key, client_ca)
        try:
            self._parts = self._read()
        except (OSError, ValueError) as error:
            raise _refused("tls_certificate", f"{_names(self._files)} cannot be used: {_why(error)}") from error
        self._stamp = self._stamp_now()

    def credentials(self) -> grpc.ServerCredentials:
        """For a listener; every new connection gets what the files hold then."""
        wanted = self._files.client_ca is not None
        # The library takes None for "as before", which its types do not say.
        return grpc.dynamic_ssl_server_credentials(self._configuration(), self._fetch, wanted)  # type: ignore[arg-type]

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """None where nothing changed, or what changed cannot be used: the last good files stay in force."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return None
        self._stamp = stamp  # what is bad is told once, not at every connection
        try:
            self._parts = self._read()
        except (OSError, ValueError) as error:
            _log.error("certificate_refused", files=_names(self._files), why=_why(error))
            return None
        _log.info("certificate_read", files=_names(self._files))
        return self._configuration()

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        certificate, key, *client_ca = self._parts
        return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca[0] if client_ca else None)

    def _read(self) -> tuple[bytes, ...]:
        """The files' bytes, proven to fit together; `ssl.SSLError` is an OSError."""
        parts = self._files.read()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files.certificate, self._files.key, password=lambda: "")  # else it would ask
        if self._files.client_ca is not None:
            context.load_verify_locations(self._files.client_ca)
        if parts != self._files.read():
            raise ValueError("a file changed while it was read")
        return parts

    def _stamp_now(self) -> tuple[tuple[int, int, int], ...]:
        try:
            found = [path.stat() for path in self._files.all]
        except OSError:  # one is just being replaced
            return ()
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)


def certificates_of(settings: Settings, listen: str) -> Certificates | None:
    """What the settings say of a listener; None: plain text.

    Raises:
        InvalidRequest: half of a pair, files that cannot be used, or plain text beyond loopback without being told to.
    """
    check_address(listen)
    certificate, key, client_ca = settings.tls_certificate, settings.tls_key, settings.tls_client_ca
    if certificate and key:
        return Certificates(Path(certificate), Path(key), Path(client_ca) if client_ca else None)
    if certificate or key or client_ca:
        raise _refused("tls_certificate", "FINGERPOST_TLS_CERTIFICATE and FINGERPOST_TLS_KEY belong together: set both")
    if not is_loopback(listen):
        if not settings.allow_plaintext:
            raise _refused(
                "listen",
                f"{listen} can be reached from elsewhere, and without TLS others can read prompts: "
                "set FINGERPOST_TLS_CERTIFICATE and FINGERPOST_TLS_KEY, or FINGERPOST_ALLOW_PLAINTEXT=true where "
                "something else protects the way",
            )
        _log.warning("plaintext", listen=listen, effect="whoever is between can read prompts")
    return None


def check_address(listen: str) -> None:
    """Refuse what cannot be listened on.

    Raises:
        InvalidRequest: it is not HOST:PORT.
    """
    if ":" not in listen:
        raise _refused("listen", f"{listen} is no address: give HOST:PORT, as in 127.0.0.1:50051")


def is_loopback(listen: str) -> bool:
    """Whether only this machine can reach HOST:PORT; a name other than localhost counts as elsewhere."""
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(field: str, description: str) -> InvalidRequest:
    return InvalidRequest(description, fields=[FieldViolation(field, description)])


def _names(files: _Files) -> str:
    return ", ".join(map(str, files.all))


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (
            f"{error.reason or 'no such PEM'}: it takes a certificate chain and its key, both PEM, without passphrase"
        )
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
