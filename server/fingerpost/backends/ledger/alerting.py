"""Alerting: which accounts have reached a share of their limit, told once, and whose turn it is to deliver that."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, false, or_, select, tuple_, update

from fingerpost.backends.ledger.accounts import LEFT, key_of, used
from fingerpost.backends.ledger.schema import accounts, alerts
from fingerpost.backends.ledger.writing import chunks, insert_new
from fingerpost.types import Alert

_WHOLE = 100  # per cent: reached by accounts that are spent, although less than a request may be left of them

_UNDELIVERED = (alerts.c.delivered_us.is_(None), alerts.c.given_up_us.is_(None))


def notice(connection: Connection, call: str, percents: Sequence[int], now_us: int) -> Sequence[Alert]:
    """See `money_ports.Treasury.notice`.

    Args:
        connection: In a transaction.
        call: Unlike any other call's, and the same when this one is repeated: what it has noticed is found by it.
        percents: Shares of the limit.
        now_us: Microseconds since the epoch.
    """
    new = [row for percent in sorted(set(percents)) for row in _reached(connection, percent, now_us)]
    rows = [
        {
            "account": account,
            "percent": percent,
            "time_us": now_us,
            "used_usd_micros": used_usd_micros,
            "limit_usd_micros": limit_usd_micros,
            "next_try_us": now_us,
            "attempts": 0,
            "noticed": call,
        }
        for account, percent, used_usd_micros, limit_usd_micros in sorted(new)
    ]
    insert_new(connection, alerts, rows, alerts.c.account)
    return _read(connection, _query().where(alerts.c.noticed == call))


def claim(connection: Connection, call: str, now_us: int, most: int, again_us: int) -> Sequence[Alert]:
    """See `money_ports.Treasury.due_alerts`; for `call` see `notice`."""
    place = (alerts.c.account, alerts.c.percent)
    due = (
        select(*place)
        .where(*_UNDELIVERED, alerts.c.next_try_us <= now_us)
        .order_by(alerts.c.next_try_us, *place)
        .limit(most)
        .with_for_update()  # waits for whoever claims them just now, an earlier attempt of this call too
    )
    places = [(row.account, row.percent) for row in connection.execute(due)]
    mine = _query().where(*_UNDELIVERED, alerts.c.claimed == call)
    if earlier := _read(connection, mine):
        return earlier
    for some in chunks(places):
        connection.execute(
            update(alerts)
            .where(tuple_(*place).in_(some))
            .values(claimed=call, attempts=alerts.c.attempts + 1, next_try_us=again_us)
        )
    return _read(connection, mine)


def put_off(connection: Connection, place: tuple[int, int], again_us: int) -> None:
    """Give an alert out again, but not before `again_us`, microseconds since the epoch.

    Args:
        connection: In a transaction.
        place: See `place_of`; an alert that is not there, or is given out no more, is passed over.
        again_us: Microseconds since the epoch.
    """
    account, percent = place
    where = (alerts.c.account == account, alerts.c.percent == percent)
    connection.execute(update(alerts).where(*where, *_UNDELIVERED).values(next_try_us=again_us))


def close(connection: Connection, place: tuple[int, int], how: Column[Any], now_us: int) -> None:
    """Give an alert out no more, unless that was said before.

    Args:
        connection: In a transaction.
        place: See `place_of`; an alert that is not there is passed over.
        how: The column that says why.
        now_us: Microseconds since the epoch.
    """
    account, percent = place
    where = (alerts.c.account == account, alerts.c.percent == percent)
    connection.execute(update(alerts).where(*where, *_UNDELIVERED).values({how: now_us}))


def place_of(id: str) -> tuple[int, int]:
    """Account and percentage of an alert, by its id."""
    account, percent = id.split("-")
    return int(account), int(percent)


def _reached(connection: Connection, percent: int, now_us: int) -> Sequence[tuple[int, int, int, int]]:
    """Accounts that have reached the percentage without an alert: number, percentage, used, limit."""
    now_s = now_us // 1_000_000
    share = used(LEFT)
    told = select(alerts.c.account).where(alerts.c.account == accounts.c.id, alerts.c.percent == percent).exists()
    spent = accounts.c.spent if percent >= _WHOLE else false()
    query = select(accounts.c.id, accounts.c.limit_usd_micros, share.label("used")).where(
        accounts.c.start_s <= now_s,
        accounts.c.end_s > now_s,
        # At most so much is used: what its slices have left is looked up only where that is enough.
        or_(spent, 100 * used(0) >= percent * accounts.c.limit_usd_micros),
        share > 0,
        or_(spent, 100 * share >= percent * accounts.c.limit_usd_micros),
        ~told,
    )
    return [(row.id, percent, row.used, row.limit_usd_micros) for row in connection.execute(query)]


def _query() -> Select[Any]:
    return select(alerts, *(accounts.c[name] for name in _OF_ACCOUNT)).join_from(alerts, accounts)


_OF_ACCOUNT = ("catalog", "budget", "holder", "start_s", "end_s", "hard")


def _read(connection: Connection, query: Select[Any]) -> Sequence[Alert]:
    return [_alert(row) for row in connection.execute(query.order_by(alerts.c.account, alerts.c.percent))]


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        id=_id(row),
        key=key_of(row),
        end_s=row.end_s,
        percent=row.percent,
        used_usd_micros=row.used_usd_micros,
        limit_usd_micros=row.limit_usd_micros,
        hard=row.hard,
        time_us=row.time_us,
        attempts=row.attempts,
    )


def _id(row: Row[Any]) -> str:
    return f"{row.account}-{row.percent}"
