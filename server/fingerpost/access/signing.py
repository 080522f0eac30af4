"""Signing: by which secrets are alerts signed? Those of a file, as it is now; a bad one changes nothing."""

import base64
import binascii
import os
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from fingerpost.errors import FieldViolation, InvalidRequest

_log = structlog.get_logger(__name__)

PREFIX = "whsec_"

_LOOK_EVERY_SECONDS = 1.0
_MAX_BYTES = 4_096
_MOST_SECRETS = 4
_LEAST_SECRET_BYTES, _MOST_SECRET_BYTES = 24, 64  # of the Standard Webhooks specification 1.0.0


class SecretsOnFile:
    """Gives the secrets of a file; looks at the file once a second at most. Safe to use from several threads."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Read the file.

        Args:
            path: A secret a line.
            clock: Seconds that never go back.

        Raises:
            InvalidRequest: see `read_secrets`.
        """
        self._path = path
        self._clock = clock
        self._guard = threading.Lock()
        self._stamp = self._stamp_now()
        self._secrets = read_secrets(path)
        self._looked = clock()
        self._refused = ""  # what was wrong last, which is told once

    def __call__(self) -> Sequence[bytes]:
        with self._guard:
            now = self._clock()
            if now - self._looked >= _LOOK_EVERY_SECONDS:
                self._looked = now
                self._look()
            return self._secrets

    def _look(self) -> None:
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        try:
            self._secrets = read_secrets(self._path)
        except InvalidRequest as error:
            if error.message != self._refused:
                _log.error("alert_secret_refused", file=str(self._path), why=error.message)
            self._refused = error.message
            # What could not be read may be readable later without a new stamp.
            self._stamp = () if isinstance(error.__cause__, OSError) else stamp
            return
        self._stamp, self._refused = stamp, ""
        _log.info("alert_secret_read", file=str(self._path), secrets=len(self._secrets))

    def _stamp_now(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:  # it is just being replaced, or gone
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


def read_secrets(path: Path) -> Sequence[bytes]:
    """The secrets of a file, in its order; lines without anything are left out.

    Raises:
        InvalidRequest: the file cannot be read, others may write it, or a line is no secret. No secret is told.
    """
    lines = [line.strip() for line in _content(path).splitlines()]
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line]
    if not numbered:
        raise _refused(f"{path} has no secret: write one with: openssl rand -base64 32 | sed s/^/whsec_/ > {path}")
    if len(numbered) > _MOST_SECRETS:
        raise _refused(f"{path} has more than {_MOST_SECRETS} secrets: remove those that no receiver needs")
    return tuple(_secret(f"{path}:{number}", line) for number, line in numbered)


def _secret(place: str, line: bytes) -> bytes:
    secret = line
    if line.startswith((b"whsk_", b"whpk_")):
        raise _refused(f"{place}: this is a key of ed25519: alerts are signed with a secret that both sides have")
    if line.startswith(PREFIX.encode()):
        try:
            secret = base64.b64decode(line.removeprefix(PREFIX.encode()), validate=True)
        except binascii.Error as error:
            raise _refused(f"{place}: what follows {PREFIX} is no base64") from error
    if not _LEAST_SECRET_BYTES <= len(secret) <= _MOST_SECRET_BYTES:
        raise _refused(
            f"{place}: the secret has {len(secret)} bytes: it takes {_LEAST_SECRET_BYTES} to {_MOST_SECRET_BYTES}"
        )
    return secret


def _content(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise _refused(f"{path} is no file")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise _refused(
            f"{path} cannot be read: {why}: name the file of the secret that alerts are signed with"
        ) from error
    if len(content) > _MAX_BYTES:
        raise _refused(f"{path} is larger than {_MAX_BYTES} bytes")
    if mode & stat.S_IWOTH:
        raise _refused(f"anybody may write {path}, and so sign alerts of their own: chmod o-w {path}")
    if mode & stat.S_IROTH:
        _log.warning(
            "alert_secret_readable", file=str(path), effect="anybody on this machine may read it: chmod o-r it"
        )
    return content


def _refused(description: str) -> InvalidRequest:
    return InvalidRequest(
        f"FINGERPOST_ALERT_SECRET_FILE: {description}", fields=[FieldViolation("alert_secret_file", description)]
    )
