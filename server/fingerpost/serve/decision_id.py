"""Decision id: what must be known of a decision when its outcome is reported, in its very name, signed.

So no replica need remember a decision, or ask another about it; and nobody can report on one that was never made for
them. In hexadecimal, one after the other:

    24  the decision's key: random, what tells one from another
     1  kind: 1 it has a route, 2 an arm of an experiment, 4 debits, 8 it fell back; added
     8  seconds since the epoch when it was made
     8  hash of the catalog's name
     8  kind & 1: hash of the route's name
    16  kind & 2: hash of EXPERIMENT/ARM, and of the unit that was drawn
    11  kind & 4: number of accounts, and what is reserved on each of them, micro-dollars
   8 n  kind & 4: the accounts' numbers in the ledger
    12  BLAKE2b of all that and the tenant, under a secret key
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from fingerpost.types import Debit

MAX_DEBITS = 15
MAX_USD_MICROS = 16**10 - 1
MAX_ACCOUNT = 16**8 - 1
KEY_DIGITS = 24
MIN_DIGITS = KEY_DIGITS + 1 + 8 + 8 + 12
MAX_DIGITS = MIN_DIGITS + 8 + 16 + 11 + 8 * MAX_DEBITS
SECRET_BYTES = 32

_ROUTE, _ARM, _DEBITS, _FELL_BACK = 1, 2, 4, 8
_MAC_DIGITS = 12
_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Claims:
    """What an id says of its decision."""

    key: str  # 24 hexadecimal digits
    decided_s: int  # seconds since the epoch
    catalog: str  # as the next: `name_hash`, 8 hexadecimal digits
    route: str = ""  # empty: none
    arm: str = ""  # of EXPERIMENT/ARM; empty: none
    unit: str = ""  # of the experiment
    debits: tuple[Debit, ...] = ()  # all of one amount
    fell_back: bool = False


class DecisionIds:
    """Makes ids and reads them; the secrets are shared by all processes that shall understand each other's."""

    def __init__(self, *keys: bytes) -> None:
        """With no key a random one: then no other process, nor this one after a restart, knows these decisions."""
        self._keys = keys or (secrets.token_bytes(SECRET_BYTES),)

    @property
    def key(self) -> bytes:
        """That new ids are signed with."""
        return self._keys[0]

    def adopt(self, key: bytes) -> None:
        """Sign with this key from now on; ids of the ones before are still known."""
        if key != self._keys[0]:
            self._keys = (key, *self._keys)

    def name(self, claims: Claims, tenant: str) -> str:
        """The id of a decision that was made for a tenant.

        Raises:
            ValueError: more debits, or more money, than an id can tell.
        """
        body = _written(claims)
        return body + _mac(self._keys[0], body, tenant)

    def read(self, decision_id: str, tenant: str) -> Claims | None:
        """What an id says; None when it is none of ours, or not of this tenant."""
        body, mac = decision_id[:-_MAC_DIGITS], decision_id[-_MAC_DIGITS:]
        if not MIN_DIGITS <= len(decision_id) <= MAX_DIGITS or not _DIGITS.issuperset(decision_id):
            return None
        if not any(hmac.compare_digest(mac, _mac(key, body, tenant)) for key in self._keys):
            return None
        return _read(body)


def new_key() -> str:
    """Of a decision that is about to be made."""
    return secrets.token_hex(KEY_DIGITS // 2)


@lru_cache(maxsize=4_096)
def name_hash(name: str) -> str:
    """What an id calls a catalog, route or arm: 8 hexadecimal digits."""
    return hashlib.blake2b(name.encode(), digest_size=4).hexdigest()


def _written(claims: Claims) -> str:
    kind = _FELL_BACK * claims.fell_back
    kind |= (_ROUTE if claims.route else 0) | (_ARM if claims.arm else 0) | (_DEBITS if claims.debits else 0)
    head = f"{claims.key}{kind:x}{claims.decided_s:08x}{claims.catalog}{claims.route}{claims.arm}{claims.unit}"
    return head + _debits_written(claims.debits) if claims.debits else head


def _debits_written(debits: Sequence[Debit]) -> str:
    amount = debits[0].usd_micros
    too_many = len(debits) > MAX_DEBITS or not 0 <= amount <= MAX_USD_MICROS
    if too_many or any(d.usd_micros != amount or not 0 <= d.account <= MAX_ACCOUNT for d in debits):
        raise ValueError(f"{len(debits)} debits of {amount} micro-dollars are more than an id can tell")
    return f"{len(debits):x}{amount:010x}" + "".join(f"{debit.account:08x}" for debit in debits)


def _read(body: str) -> Claims:
    parts = _Digits(body)
    key, kind, decided_s, catalog = (
        parts.take(KEY_DIGITS),
        int(parts.take(1), 16),
        int(parts.take(8), 16),
        parts.take(8),
    )
    route = parts.take(8) if kind & _ROUTE else ""
    arm, unit = (parts.take(8), parts.take(8)) if kind & _ARM else ("", "")
    debits: tuple[Debit, ...] = ()
    if kind & _DEBITS:
        count, amount = int(parts.take(1), 16), int(parts.take(10), 16)
        debits = tuple(Debit(int(parts.take(8), 16), amount) for _ in range(count))
    return Claims(key, decided_s, catalog, route, arm, unit, debits, bool(kind & _FELL_BACK))


class _Digits:
    """Taken from the front, so many at a time; a signed body has as many as its kind says."""

    def __init__(self, digits: str) -> None:
        self._digits = digits
        self._at = 0

    def take(self, count: int) -> str:
        taken = self._digits[self._at : self._at + count]
        self._at += count
        return taken


def _mac(key: bytes, body: str, tenant: str) -> str:
    # The body's length is of the body itself, so nothing can be moved between it and the tenant.
    return hashlib.blake2b(f"{body}\0{tenant}".encode(), key=key, digest_size=_MAC_DIGITS // 2).hexdigest()
