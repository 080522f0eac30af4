"""Authentication: who calls, told by a token, a certificate or the operating system, and by nothing else."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import grpc
import structlog
from cachetools import LRUCache

from fingerpost.access.tokens import NOBODYS, holds, split
from fingerpost.errors import ErrorReason, Overloaded, PermissionDenied, Unauthenticated
from fingerpost.guard.attempts import Attempts
from fingerpost.rpc.permissions import OPEN, check_role
from fingerpost.types import Access, AccessRole, Principal, Token

_log = structlog.get_logger(__name__)

_Context = grpc.aio.ServicerContext[Any, Any]

_REMEMBERED = 10_000  # tokens
_BURST, _SECONDS_EACH = 20, 3.0  # wrong tokens of one source
_LONGEST = 256  # characters of a token
_CERTIFICATE_NAMES = ("x509_subject_alternative_name", "x509_common_name")


class OnRefused(Protocol):
    """Hears of callers that were refused."""

    def __call__(self, method: str, cause: str, principal: Principal | None) -> None:
        """On the event loop; causes are listed where `telemetry.names` counts them."""


class Gate:
    """Who may call what on one listener."""

    def __init__(self, proofs: "Proofs", on_refused: OnRefused) -> None:
        self._proofs = proofs
        self._on_refused = on_refused

    async def admit(self, method: str, context: _Context) -> Principal | None:
        """Who calls; None for a method that needs no proof.

        Raises:
            Unauthenticated: it is not known who calls; the reason is told to the log alone.
            PermissionDenied: they may not.
            Overloaded: TOO_MANY_ATTEMPTS.
        """
        if method in OPEN:
            return None
        try:
            principal = await self._proofs.principal(context)
        except _Unknown as unknown:
            _log.warning("caller_unknown", method=method, cause=unknown.cause, source=_source(context))
            self._on_refused(method, unknown.cause, None)
            raise Unauthenticated(
                "it is not known who calls: send a valid token (authorization: Bearer TOKEN) or certificate"
            ) from None
        except Overloaded:
            self._on_refused(method, "attempts", None)
            raise
        try:
            check_role(method, principal)
        except PermissionDenied:
            _log.warning("caller_denied", method=method, principal=principal.name)
            self._on_refused(method, "role", principal)
            raise
        return principal


class Proofs:
    """What tells who calls: a token before a certificate before the user of this machine."""

    def __init__(
        self,
        access: Callable[[], Access] | None,
        local_users: Mapping[str, str],
        owner: str = "",
    ) -> None:
        """Nothing is read yet.

        Args:
            access: Gives who is known; None: whoever shows a certificate of the listener's authorities may call.
            local_users: Names of users by the peer's address, of those that came through a local door.
            owner: Of this process, who may do everything through it, as may root, where there is no file of access.
        """
        self._access = access
        self._tokens = None if access is None else _Tokens(access)
        self._local_users = local_users
        self._owners = {owner, "root"} if owner else set()

    async def principal(self, context: _Context) -> Principal:
        """Who calls.

        Raises:
            Overloaded: TOO_MANY_ATTEMPTS.
        """
        given = _authorization(context.invocation_metadata() or ())
        if given is not None:
            if self._tokens is None:
                raise _Unknown("no_access_file")
            return await self._tokens.principal(given, _source(context))
        if (names := _certificate_names(context)) is not None:
            return self._by_certificate(names)
        if (user := self._local_users.get(context.peer())) is not None:
            return self._by_user(user)
        raise _Unknown("nothing_shown")

    def _by_certificate(self, names: tuple[str, ...]) -> Principal:
        if self._access is None:
            return Principal(
                f"certificate:{names[0] if names else ''}", frozenset({AccessRole.CALLER, AccessRole.READER})
            )
        known = self._access().certificates
        for name in names:
            if name in known:
                return known[name]
        raise _Unknown("certificate_unknown")

    def _by_user(self, user: str) -> Principal:
        known = {} if self._access is None else self._access().users
        if user in known:
            return known[user]
        if user in self._owners:
            return Principal(f"os:{user}", frozenset(AccessRole))
        raise _Unknown("user_unknown")


class _Unknown(Exception):
    """It is not known who calls."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class _Tokens:
    """Verifies tokens: slowly the first time, off the event loop, and at once when they come again."""

    def __init__(self, access: Callable[[], Access]) -> None:
        self._access = access
        self._known: Access | None = None  # for which the next is right
        # By the hash of the whole token: a shorter key would give one caller another's name.
        self._remembered: LRUCache[bytes, Token] = LRUCache(_REMEMBERED)
        self._attempts = Attempts(_BURST, _SECONDS_EACH)
        # One at a time: a flood of wrong tokens must not take the cores from those that serve.
        self._slowly = ThreadPoolExecutor(1, thread_name_prefix="tokens")

    async def principal(self, given: str, source: str) -> Principal:
        access = self._access()
        if access is not self._known:
            self._known = access
            self._remembered.clear()
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or len(token) > _LONGEST:
            raise _Unknown("no_bearer")
        key = hashlib.sha256(token.encode()).digest()
        found = self._remembered.get(key)
        if found is None:
            found = await self._verified(token, source, access)
            if access is self._known:
                self._remembered[key] = found
        now = time.time()
        if now < found.not_before:
            raise _Unknown("token_not_yet_valid")
        if now >= found.expires:
            raise _Unknown("token_expired")
        return found.principal

    async def _verified(self, token: str, source: str, access: Access) -> Token:
        parts = split(token)
        if parts is None:
            raise _Unknown("token_malformed")
        wait = self._attempts.take(source, time.monotonic())
        if wait:
            raise Overloaded(
                "too many wrong tokens came from there: wait, and check the token",
                ErrorReason.TOO_MANY_ATTEMPTS,
                metadata={"cause": "attempts"},
                retry_after_ms=int(wait * 1000) + 1,
            )
        token_id, secret = parts
        known = access.tokens.get(token_id)
        right = await asyncio.get_running_loop().run_in_executor(
            self._slowly, holds, secret, known.hash if known else NOBODYS
        )
        if known is None or not right:
            raise _Unknown("token_unknown" if known is None else "token_wrong")
        self._attempts.give_back(source)
        return known


def _authorization(headers: Iterable[tuple[str, str | bytes]]) -> str | None:
    for name, value in headers:
        if name == "authorization":
            return value if isinstance(value, str) else ""
    return None


def _certificate_names(context: _Context) -> tuple[str, ...] | None:
    """Names in the peer's verified certificate; None without one."""
    proven = context.auth_context()
    if "x509_pem_cert" not in proven:
        return None
    found = [name for key in _CERTIFICATE_NAMES for name in proven.get(key, ())]
    return tuple(name.decode(errors="replace") for name in found)


def _source(context: _Context) -> str:
    """The peer without its port: one host is one source, and one IPv6 network of those that a host can choose from."""
    kind, _, address = context.peer().partition(":")
    if kind == "ipv4":
        return address.partition(":")[0]
    if kind == "ipv6":
        return ":".join(address.replace("%5B", "").replace("[", "").split(":")[:4])
    return kind
