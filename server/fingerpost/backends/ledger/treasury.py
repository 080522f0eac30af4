"""Treasury: slices of budgets' accounts that processes take, spend by themselves, and give back."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, delete, insert, select, tuple_, update

from fingerpost.backends.ledger.accounts import LEFT, counted, key_of, locked, slice_more, standing
from fingerpost.backends.ledger.alerting import claim, close, notice, place_of, put_off
from fingerpost.backends.ledger.database import Database
from fingerpost.backends.ledger.schema import accounts, alerts, slices
from fingerpost.backends.ledger.writing import chunks, insert_new
from fingerpost.types import AccountKey, Alert, Slice, Standing, Want

_PAGE_ACCOUNTS = 2_000


class SqlTreasury:
    """See `money_ports.Treasury`; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        """Use an open database; whoever opened it closes it."""
        self._database = database

    def lease(self, owner: str, wants: Sequence[Want]) -> Sequence[Slice]:
        return self._database.change(lambda connection: _lease(connection, owner, wants)) if wants else []

    def tell(self, owner: str, left: Mapping[str, int]) -> None:
        if left:
            self._database.change(lambda connection: _tell(connection, owner, left))

    def give_back(self, owner: str, left: Mapping[str, int]) -> None:
        if left:
            self._database.change(lambda connection: _give_back(connection, owner, left))

    def standings(self, catalog: str = "", *, since_s: int = 0) -> Sequence[Standing]:
        return self._database.read(lambda connection: _standings(connection, catalog, since_s))

    def spent(self, numbers: Sequence[int]) -> None:
        where = (accounts.c.id.in_(list(numbers)), accounts.c.hard, ~accounts.c.spent)
        self._database.change(lambda connection: connection.execute(update(accounts).where(*where).values(spent=True)))

    def notice(self, percents: Sequence[int], now_us: int) -> Sequence[Alert]:
        call = uuid.uuid4().hex
        return self._database.change(lambda connection: notice(connection, call, percents, now_us))

    def due_alerts(self, now_us: int, most: int, again_us: int) -> Sequence[Alert]:
        call = uuid.uuid4().hex
        return self._database.change(lambda connection: claim(connection, call, now_us, most, again_us))

    def alert_delivered(self, id: str, now_us: int) -> None:
        place = place_of(id)
        self._database.change(lambda connection: close(connection, place, alerts.c.delivered_us, now_us))

    def alert_put_off(self, id: str, again_us: int) -> None:
        place = place_of(id)
        self._database.change(lambda connection: put_off(connection, place, again_us))

    def alert_given_up(self, id: str, now_us: int) -> None:
        place = place_of(id)
        self._database.change(lambda connection: close(connection, place, alerts.c.given_up_us, now_us))


def _lease(connection: Connection, owner: str, wants: Sequence[Want]) -> Sequence[Slice]:
    opened = _opened(connection, wants)
    out = _out(connection, [want.id for want in wants])  # after the lock: what an earlier attempt took is there by now
    taken: dict[int, int] = defaultdict(int)  # by this call
    given: list[Slice] = []
    new: list[dict[str, Any]] = []
    for want in wants:
        account = opened[want.key]
        if want.id in out:
            whose, number, usd_micros = out[want.id]
            given.append(Slice(want.id, account.id, usd_micros if (whose, number) == (owner, account.id) else 0))
            continue
        usd_micros = _granted(want, want.limit_usd_micros - counted(account) - taken[account.id])
        given.append(Slice(want.id, account.id, usd_micros))
        if usd_micros:
            taken[account.id] += usd_micros
            out[want.id] = (owner, account.id, usd_micros)
            new.append({"id": want.id, "account": account.id, "owner": owner, "usd_micros": usd_micros})
    _agree(connection, wants, opened)
    slice_more(connection, taken)
    if new:
        connection.execute(insert(slices), sorted(new, key=lambda row: str(row["id"])))
    return given


def _granted(want: Want, room: int) -> int:
    if not want.hard:
        return want.usd_micros
    usd_micros = min(want.usd_micros, room)
    return usd_micros if usd_micros >= max(1, want.least_usd_micros) else 0


def _opened(connection: Connection, wants: Sequence[Want]) -> Mapping[AccountKey, Row[Any]]:
    """The accounts that are asked for, locked; opened where they are not."""
    ends = {want.key: want.end_s for want in wants}
    keys = sorted(ends, key=_order)
    numbers = _numbers(connection, keys)
    missing = [_empty(key, ends[key]) for key in keys if key not in numbers]
    if missing:  # only then: an insert in vain would use up a number
        insert_new(connection, accounts, missing, accounts.c.id)
        numbers = _numbers(connection, keys)
    return {key_of(row): row for row in locked(connection, numbers.values())}


def _numbers(connection: Connection, keys: Sequence[AccountKey]) -> Mapping[AccountKey, int]:
    place = (accounts.c.catalog, accounts.c.budget, accounts.c.holder, accounts.c.start_s)
    return {
        key_of(row): row.id
        for some in chunks(keys)
        for row in connection.execute(select(accounts).where(tuple_(*place).in_([_order(key) for key in some])))
    }


def _order(key: AccountKey) -> tuple[str, str, str, int]:
    return (key.catalog, key.budget, key.holder, key.start_s)


def _empty(key: AccountKey, end_s: int) -> dict[str, Any]:
    sums = ("limit_usd_micros", "sliced_usd_micros", "settled_reserved_usd_micros", "settled_usd_micros")
    place = {"catalog": key.catalog, "budget": key.budget, "holder": key.holder, "start_s": key.start_s}
    return {**place, "end_s": end_s, "hard": False, "spent": False, **dict.fromkeys((*sums, "cleared_usd_micros"), 0)}


def _out(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, int, int]]:
    """Slices that are out: owner, account and micro-dollars by id."""
    return {
        row.id: (row.owner, row.account, row.usd_micros)
        for some in chunks(ids)
        for row in connection.execute(select(slices).where(slices.c.id.in_(some)))
    }


def _agree(connection: Connection, wants: Sequence[Want], opened: Mapping[AccountKey, Row[Any]]) -> None:
    """Let accounts say what those who ask have read of the policy; of several the last one counts."""
    said = {opened[want.key]: (want.end_s, want.limit_usd_micros, want.hard) for want in wants}
    rows = [
        {"account_id": row.id, "end_s": end_s, "limit_usd_micros": limit, "hard": hard}
        for row, (end_s, limit, hard) in said.items()
        if (row.end_s, row.limit_usd_micros, row.hard) != (end_s, limit, hard)
    ]
    if rows:
        connection.execute(
            update(accounts)
            .where(accounts.c.id == bindparam("account_id"))
            .values({name: bindparam(name) for name in ("end_s", "limit_usd_micros", "hard")}),
            rows,
        )


def _tell(connection: Connection, owner: str, left: Mapping[str, int]) -> None:
    told = bindparam("told", type_=slices.c.usd_micros.type)
    connection.execute(
        update(slices)
        .where(slices.c.id == bindparam("slice_id"), slices.c.owner == owner)
        .values(left_usd_micros=case((told < slices.c.usd_micros, told), else_=slices.c.usd_micros)),
        [{"slice_id": id, "told": max(0, usd_micros)} for id, usd_micros in sorted(left.items())],
    )


def _give_back(connection: Connection, owner: str, left: Mapping[str, int]) -> None:
    back: dict[int, int] = defaultdict(int)
    for some in chunks(sorted(left)):
        gone = delete(slices).where(slices.c.id.in_(some), slices.c.owner == owner)
        for row in connection.execute(gone.returning(slices.c.id, slices.c.account, slices.c.usd_micros)):
            back[row.account] -= min(max(0, left[row.id]), row.usd_micros)
    slice_more(connection, back)


def _standings(connection: Connection, catalog: str, since_s: int) -> Sequence[Standing]:
    found: list[Standing] = []
    last = 0
    query = select(accounts, LEFT.label("left")).where(accounts.c.end_s > since_s)
    if catalog:
        query = query.where(accounts.c.catalog == catalog)
    while rows := connection.execute(
        query.where(accounts.c.id > last).order_by(accounts.c.id).limit(_PAGE_ACCOUNTS)
    ).all():
        found.extend(standing(row, row.left) for row in rows)
        last = rows[-1].id
    return sorted(found, key=lambda one: _order(one.key))
