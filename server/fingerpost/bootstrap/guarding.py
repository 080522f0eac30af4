"""Guarding: who may call which listener, as the settings say."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from fingerpost.control_ports import ControlDesk
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.ports import CatalogDesk
from fingerpost.rpc.admin import Admin, door_of
from fingerpost.rpc.admin_service import AdminService
from fingerpost.rpc.authentication import Gate, Proofs
from fingerpost.rpc.call import Observer
from fingerpost.rpc.catalog_service import CatalogService
from fingerpost.rpc.denials import Denials
from fingerpost.rpc.local_door import user_name
from fingerpost.rpc.tls import check_address, is_loopback
from fingerpost.settings import Settings
from fingerpost.types import Principal

_log = structlog.get_logger(__name__)


def guarded(
    settings: Settings,
    open_desk: Callable[[], CatalogDesk],
    open_controls: Callable[[], ControlDesk],
    count: Callable[[str], None],
    observers: Sequence[Observer],
) -> tuple[Gate | None, Admin | None]:
    """The gate of the public listener, None where anybody may call, and the admin listener.

    Args:
        settings: All of them.
        open_desk: What the admin listener looks after: catalogs.
        open_controls: Likewise: budgets, breakers and experiments.
        count: Told the cause why a caller was refused.
        observers: Hear of calls by the admin listener.

    Raises:
        FailedPrecondition: AUTHENTICATION_REQUIRED, others can reach a listener, and nothing says who may call it.
        InvalidRequest: the file of access is wrong.
    """
    _check(settings)
    access = None
    if settings.access:
        from fingerpost.access.watching import AccessOnFile  # parsers, which a server without it does without

        access = AccessOnFile(Path(settings.access), time.monotonic)
    known = access is not None or settings.tls_client_ca
    gate = Gate(Proofs(access, {}), lambda method, cause, principal: count(cause)) if known else None
    if settings.admin_listen == "none":
        return gate, None
    door = door_of(settings)
    owner = user_name(os.getuid()) if access is None and door is not None else ""
    proofs = Proofs(access, door.users if door else {}, owner)
    denials = Denials(lambda by, method: open_desk().deny(by, method))

    def on_refused(method: str, cause: str, principal: Principal | None) -> None:
        count(cause)
        if principal is not None:
            denials.note(method, principal)

    catalogs, controls = CatalogService(open_desk, settings.data), AdminService(open_controls, settings.data)
    return gate, Admin(settings, Gate(proofs, on_refused), door, (catalogs.add_to, controls.add_to), observers)


def _check(settings: Settings) -> None:
    check_address(settings.listen)
    if settings.access:
        return
    admin = settings.admin_listen
    if admin not in ("", "none") and not admin.startswith("unix:"):
        raise _required(f"the admin listener on {admin} changes what is served")
    if is_loopback(settings.listen) or settings.tls_client_ca:
        return
    if not settings.allow_anonymous:
        raise _required(
            f"{settings.listen} can be reached from elsewhere",
            ", or FINGERPOST_TLS_CLIENT_CA, or FINGERPOST_ALLOW_ANONYMOUS=true where anybody who gets there may call",
        )
    _log.warning("anonymous", listen=settings.listen, effect="whoever reaches it may call")


def _required(why: str, or_else: str = "") -> FailedPrecondition:
    return FailedPrecondition(
        f"{why}, and nothing says who may call it: set FINGERPOST_ACCESS to a file of access (fingerpost token add)"
        f"{or_else}",
        ErrorReason.AUTHENTICATION_REQUIRED,
    )
