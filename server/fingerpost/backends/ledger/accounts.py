"""Accounts: what of a budget's account counts against its limit, how it stands, and what it takes to change one.

Whoever changes several locks them in the order of their numbers, so that no two wait for one another.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Update, bindparam, case, cast, func, select, update

from fingerpost.backends.ledger.schema import accounts, slices
from fingerpost.backends.ledger.writing import chunks
from fingerpost.errors import ErrorReason, NotFound
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
    return (
        case((left < _UNREPORTED, _UNREPORTED - left), else_=0)
        + accounts.c.settled_usd_micros
        - accounts.c.cleared_usd_micros
    )


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
        raise NotFound(f"the ledger has no account {account}", ErrorReason.BUDGET_NOT_FOUND)
    [row] = rows
    whole = cast(func.coalesce(func.sum(slices.c.usd_micros), 0), BigInteger)
    out = connection.execute(select(whole).where(slices.c.account == row.id)).scalar_one()
    cleared = max(row.cleared_usd_micros, _gross(row) - out)
    connection.execute(update(accounts).where(accounts.c.id == row.id).values(cleared_usd_micros=cleared))
    return standing(*_with_left(connection, row.id))


def slice_more(connection: Connection, more: Mapping[int, int]) -> None:
    """Add to what is sliced of accounts, by their numbers, or (below 0) put that much back.

    What reported decisions had reserved stays sliced, whatever somebody gives back.
    """
    sliced = accounts.c.sliced_usd_micros + bindparam("more", type_=BigInteger)
    reserved = accounts.c.settled_reserved_usd_micros
    statement = (
        update(accounts)
        .where(accounts.c.id == bindparam("account"))
        .values(sliced_usd_micros=case((sliced > reserved, sliced), else_=reserved))
    )
    _each(connection, statement, [{"account": one, "more": usd_micros} for one, usd_micros in sorted(more.items())])


def settle(connection: Connection, more: Mapping[int, tuple[int, int]]) -> None:
    """Put what decisions cost in the place of what they had reserved.

    No more than is sliced was reserved, whatever somebody reports.

    Args:
        connection: In a transaction.
        more: Reserved and cost, by the accounts' numbers; one that is not there is passed over.
    """
    reserved = accounts.c.settled_reserved_usd_micros + bindparam("reserved", type_=BigInteger)
    sliced = accounts.c.sliced_usd_micros
    statement = (
        update(accounts)
        .where(accounts.c.id == bindparam("account", type_=BigInteger))  # one from elsewhere may be larger than ours
        .values(
            settled_reserved_usd_micros=case((reserved < sliced, reserved), else_=sliced),
            settled_usd_micros=accounts.c.settled_usd_micros + bindparam("cost", type_=BigInteger),
        )
    )
    rows = [{"account": one, "reserved": reserved, "cost": cost} for one, (reserved, cost) in sorted(more.items())]
    _each(connection, statement, rows)


def _each(connection: Connection, statement: Update, rows: Sequence[Mapping[str, int]]) -> None:
    for some in chunks(rows):
        connection.execute(statement, list(some))


def _with_left(connection: Connection, account: int) -> tuple[Row[Any], int]:
    row = connection.execute(select(accounts, LEFT.label("left")).where(accounts.c.id == account)).one()
    return row, row.left


def _unreported(row: Row[Any]) -> int:
    return int(row.sliced_usd_micros) - int(row.settled_reserved_usd_micros)


def _gross(row: Row[Any]) -> int:
    return _unreported(row) + int(row.settled_usd_micros)
