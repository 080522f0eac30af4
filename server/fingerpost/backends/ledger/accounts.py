"""Accounts: what of a budget's account counts against its limit, how it stands, and what it takes to change one.

Whoever changes several locks them in the order of their numbers, so that no two wait for one another.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, bindparam, case, cast, func, select, update

from fingerpost.backends.ledger.schema import accounts, slices
from fingerpost.backends.ledger.writing import chunks
from fingerpost.errors import NotFound
from fingerpost.types import AccountKey, Standing

LEFT = (
    select(cast(func.coalesce(func.sum(func.coalesce(slices.c.left_usd_micros, slices.c.usd_micros)), 0), BigInteger))
    .where(slices.c.account == accounts.c.id)
    .correlate(accounts)
    .scalar_subquery()
)
"""What the slices of an account that are out have left, as far as their owners told."""

# A number from elsewhere may be larger than any of ours.
_LOCK = (
    select(accounts)
    .where(accounts.c.id.in_(bindparam("numbers", type_=BigInteger, expanding=True)))
    .order_by(accounts.c.id)
    .with_for_update(key_share=True)
)

_UNREPORTED = accounts.c.sliced_usd_micros - accounts.c.settled_reserved_usd_micros


def used(left: ColumnElement[int] | int) -> ColumnElement[int]:
    """`Standing.used_usd_micros` of an account, for the database to compare; no more than with nothing left."""
    reserved = case((left < _UNREPORTED, _UNREPORTED - left), else_=0)
    return reserved + accounts.c.settled_usd_micros - accounts.c.cleared_usd_micros


def key_of(row: Row[Any]) -> AccountKey:
    return AccountKey(row.catalog, row.budget, row.holder, row.start_s)


def standing(row: Row[Any], left: int) -> Standing:
    """How an account stands whose open slices have so much left, as far as their owners told."""
    unreported = _unreported(row)
    # A report may come before the owner tells that its slice has less: then what it tells is out of date.
    sliced = min(left, unreported)
    return Standing(
        account=row.id,
        key=key_of(row),
        end_s=row.end_s,
        limit_usd_micros=row.limit_usd_micros,
        hard=row.hard,
        reported_usd_micros=row.settled_usd_micros,
        reserved_usd_micros=unreported - sliced,
        sliced_usd_micros=sliced,
        cleared_usd_micros=row.cleared_usd_micros,
    )


def counted(row: Row[Any]) -> int:
    """What counts against the limit: slices whole, but what their reported decisions reserved as what these cost."""
    return _gross(row) - int(row.cleared_usd_micros)


def locked(connection: Connection, numbers: Collection[int]) -> Sequence[Row[Any]]:
    """Accounts by their numbers, nobody else's to change until the transaction ends."""
    return [row for some in chunks(sorted(numbers)) for row in connection.execute(_LOCK, {"numbers": list(some)})]


def clear(connection: Connection, account: int) -> Standing:
    """See `ports.Records.clear_account`."""
    rows = locked(connection, [account])
    if not rows:
        raise NotFound(f"the ledger has no account {account}", "BUDGET_NOT_FOUND")
    [row] = rows
    whole = cast(func.coalesce(func.sum(slices.c.usd_micros), 0), BigInteger)
    out = connection.execute(select(whole).where(slices.c.account == row.id)).scalar_one()
    cleared = max(row.cleared_usd_micros, _gross(row) - out)
    connection.execute(update(accounts).where(accounts.c.id == row.id).values(cleared_usd_micros=cleared))
    return standing(*_with_left(connection, row.id))


def add(connection: Connection, changes: Mapping[int, Mapping[str, int]], columns: Collection[str]) -> None:
    """Add to columns of accounts, by their numbers; one that is not there is passed over."""
    statement = (
        update(accounts)
        .where(accounts.c.id == bindparam("account", type_=BigInteger))
        .values({name: accounts.c[name] + bindparam(f"more_{name}") for name in columns})
    )
    rows = [
        {"account": account, **{f"more_{name}": change.get(name, 0) for name in columns}}
        for account, change in sorted(changes.items())
    ]
    for some in chunks(rows):
        connection.execute(statement, list(some))


def _with_left(connection: Connection, account: int) -> tuple[Row[Any], int]:
    row = connection.execute(select(accounts, LEFT.label("left")).where(accounts.c.id == account)).one()
    return row, row.left


def _unreported(row: Row[Any]) -> int:
    """Of slices that were taken: not below zero, whatever somebody claims to have reserved."""
    return max(0, int(row.sliced_usd_micros) - int(row.settled_reserved_usd_micros))


def _gross(row: Row[Any]) -> int:
    return _unreported(row) + int(row.settled_usd_micros)
