"""Reports in the ledger: the first of a decision and caller stands, and a decision is settled once."""

import itertools
import multiprocessing
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fingerpost.errors import Unavailable
from fingerpost.types import CallStatus, CostSource, Debit, Recorded, Report, ReportRow, Verdict
from tests.accounts import account, patiently, record_in_a_process, report_row, want
from tests.ledgers import PostgresStore, Store, far_store
from tests.postgres import Postgres
from tests.tcp_proxy import Fault, Proxy

_CONTEXT = multiprocessing.get_context("forkserver")
_COMMIT = b"COMMIT\0"

GENERATED = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_catalogs = (f"c{number}" for number in itertools.count())
"""Each generated example has one of its own in the test's ledger."""


@pytest.fixture
def far(tmp_path: Path, postgres: Postgres) -> Iterator[tuple[PostgresStore, Proxy]]:
    """A machine that reaches PostgreSQL by way of a proxy."""
    with far_store(tmp_path / "far", postgres) as made:
        yield made


def opened(store: Store, *holders: str) -> list[int]:
    """Numbers of accounts that have sliced 1,000 each and spent it."""
    treasury = store.treasury()
    wants = [want(f"all of {holder}", 1_000, 1_000, key=account(holder)) for holder in holders or ("",)]
    found = treasury.lease("one", wants)
    treasury.tell("one", {one.id: 0 for one in wants})
    return [one.account for one in found]


def spent(store: Store) -> list[tuple[int, int]]:
    """Reported and reserved of each account."""
    return [(one.reported_usd_micros, one.reserved_usd_micros) for one in store.treasury().standings()]


def repeated(recorded: Sequence[Recorded]) -> list[bool]:
    return [one.repeated for one in recorded]


FULL = ReportRow(
    key="0123456789abcdef01234567",
    caller="spiffe://team/ann",
    tenant="Käufer GmbH",
    catalog="default",
    report=Report(
        decision_id="a decision",
        model="coder",
        status=CallStatus.RATE_LIMITED,
        input_tokens=2**40,
        output_tokens=0,
        cost_usd_micros=5,
        latency_ms=1,
        verdict=Verdict.OVERPROVISIONED,
        score=0.1 + 0.2,
        label="'; DROP TABLE reports; --",
        retry_after_ms=30_000,
    ),
    decided_s=1_800_000_000,
    reported_us=1_800_000_001_000_001,
    cost_usd_micros=2**50,
    cost_source=CostSource.TOKENS,
    route="code",
    fell_back=True,
    arm="prices/cheap",
    unit="0a1b2c3d",
    debits=(Debit(1, 7), Debit(2, 2**40)),
)


def test_everything_of_a_report_is_kept(store: Store) -> None:
    """Each field comes back as it was, also those that were not told."""
    bare = report_row("bare")
    reports = store.reports()
    assert reports.record([FULL, bare]) == [Recorded(False, FULL), Recorded(False, bare)]
    assert reports.record([]) == []
    assert store.reports().reports() == [bare, FULL]


@pytest.mark.fault("I18")
def test_the_first_report_stands(store: Store) -> None:
    """A repeat, whatever it says, in the same batch, in a later one, or after reopening, gets what was kept."""
    [number] = opened(store)
    first = report_row("d", "ann", 10, Debit(number, 30))
    other = report_row("d", "ann", 99, Debit(number, 50), reported_us=3_000_000)
    reports = store.reports()
    assert reports.record([first, other]) == [Recorded(False, first), Recorded(True, first)]
    assert reports.record([other, report_row("e")]) == [Recorded(True, first), Recorded(False, report_row("e"))]
    assert store.reports().record([other]) == [Recorded(True, first)]
    assert reports.reports() == [first, report_row("e")]
    assert spent(store) == [(10, 970)]


@pytest.mark.fault("I18")
def test_the_same_report_twice_in_a_batch(store: Store) -> None:
    """The second one is a repeat, although nothing tells it from the first."""
    [number] = opened(store)
    row = report_row("d", "ann", 10, Debit(number, 30))
    assert repeated(store.reports().record([row, row])) == [False, True]
    assert spent(store) == [(10, 970)]


@pytest.mark.fault("I18")
def test_many_callers_settle_once(store: Store) -> None:
    """Each caller's report is kept, and the first one's cost is what the decision cost."""
    first, second = opened(store, "a", "b")
    reports = store.reports()
    bare = report_row("d", "zoe", 77)
    rows = [
        report_row("d", caller, cost, Debit(first, 30), Debit(second, 40)) for caller, cost in (("bob", 8), ("ann", 9))
    ]
    assert repeated(reports.record([bare, *rows])) == [False] * 3
    assert repeated(reports.record([replace(rows[0], caller="cid", cost_usd_micros=5)])) == [False]
    assert len(reports.reports()) == 4
    assert spent(store) == [(8, 970), (8, 960)], "a report without debits settles nothing, and bob's came first"


def test_debits_of_accounts_that_are_not_there(store: Store) -> None:
    """They move no money, and the report is kept."""
    [number] = opened(store)
    row = report_row("d", "ann", 10, Debit(2**31 + 5, 30), Debit(99, 30), Debit(number, 30))
    assert repeated(store.reports().record([row])) == [False]
    assert store.reports().reports() == [row]
    assert spent(store) == [(10, 970)]


def test_more_reserved_than_was_ever_sliced(store: Store) -> None:
    """What a report claims beyond that frees nothing: the cost counts, and the limit holds."""
    [number] = opened(store)
    store.reports().record([report_row("d", "ann", 900, Debit(number, 5_000))])
    assert spent(store) == [(900, 0)]
    assert store.treasury().lease("one", [want("more", 500, 1_000)])[0].usd_micros == 100
    assert store.treasury().lease("one", [want("yet more", 500, 1_000)])[0].usd_micros == 0


def test_two_debits_of_one_account(store: Store) -> None:
    """Both were reserved, and the decision cost what it cost once."""
    [number] = opened(store)
    store.reports().record([report_row("d", "ann", 10, Debit(number, 30), Debit(number, 20))])
    assert spent(store) == [(10, 950)]


def test_a_large_batch(store: Store) -> None:
    """More than a statement takes, with repeats across it, to a hundred accounts: each counts once."""
    numbers = opened(store, *(f"{number:03}" for number in range(100)))
    rows = [report_row(f"{number}", "ann", 2, Debit(numbers[number % 100], 3)) for number in range(1_500)]
    found = store.reports().record([*rows, *reversed(rows)])
    assert repeated(found) == [False] * 1_500 + [True] * 1_500
    assert spent(store) == [(30, 955)] * 100
    assert store.reports().reports() == sorted(rows, key=lambda row: row.key)


# --- Many at once --------------------------------------------------------------------------------------------------


@pytest.mark.fault("I18")
def test_two_callers_at_the_same_time(store: Store) -> None:
    """Of two that report the same decisions by connections of their own, in opposite orders, one settles each."""
    [number] = opened(store)
    together = threading.Barrier(2)

    def report(caller: str) -> Sequence[Recorded]:
        rows = [report_row(f"{decision}", caller, 3, Debit(number, 5)) for decision in range(50)]
        reports = store.reports()
        together.wait()
        return patiently(lambda: reports.record(rows if caller == "ann" else rows[::-1]))

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(report, ("ann", "bob")))
    assert [repeated(one) for one in found] == [[False] * 50] * 2
    assert spent(store) == [(150, 750)]
    assert store.run("SELECT count(*) FROM settlements") == [(50,)]


@pytest.mark.fault("I18")
def test_processes_that_report_the_same(store: Store) -> None:
    """Four processes send the same reports, each with a time of its own: one is first with each, and settles it."""
    [number] = opened(store)
    rows = [report_row(f"{decision}", "ann", 3, Debit(number, 5)) for decision in range(20)]
    with ProcessPoolExecutor(4, mp_context=_CONTEXT) as pool:
        sent = [
            [replace(row, reported_us=time_us) for row in rows[::way]] for time_us, way in enumerate((1, -1, 1, -1))
        ]
        found = [one.result() for one in [pool.submit(record_in_a_process, store.data, some) for some in sent]]
    firsts = [one.kept for some in found for one in some if not one.repeated]
    assert sorted(firsts, key=str) == sorted(store.reports().reports(), key=str)
    assert len(firsts) == 20
    assert spent(store) == [(60, 900)]


# --- What breaks ---------------------------------------------------------------------------------------------------


@pytest.mark.fault("D6")
def test_a_batch_whose_fate_stays_unknown(far: tuple[PostgresStore, Proxy]) -> None:
    """Sent again, by the same process or another, it is taken for the first: its rows are its own, and settled once."""
    machine, proxy = far
    [number] = opened(machine)
    rows = [report_row(f"{decision}", "ann", 3, Debit(number, 5)) for decision in range(3)]
    reports = machine.reports()
    proxy.arm(_COMMIT, Fault.CUT_REPLIED, times=3)
    with pytest.raises(Unavailable, match="is not known"):
        reports.record(rows)
    assert proxy.fired == 3
    for _ in range(2):
        assert repeated(machine.reports().record(rows)) == [False] * 3
    assert repeated(machine.reports().record([replace(row, reported_us=9) for row in rows])) == [True] * 3
    assert spent(machine) == [(9, 985)]


def test_what_fails_leaves_nothing(store: Store) -> None:
    """A batch that cannot be settled is not kept either."""
    [number] = opened(store)
    reports = store.reports()
    store.run("ALTER TABLE budget_accounts RENAME TO elsewhere")
    with pytest.raises(Exception, match=r"cannot be read or written|has not the tables"):
        reports.record([report_row("d", "ann", 3, Debit(number, 5))])
    store.run("ALTER TABLE elsewhere RENAME TO budget_accounts")
    assert (reports.reports(), store.run("SELECT count(*) FROM settlements")) == ([], [(0,)])


# --- Reading and forgetting ----------------------------------------------------------------------------------------

_rows = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from(["", "e/1", "e/2"])),
    max_size=12,
    unique_by=lambda one: one[:2],
)


@GENERATED
@given(
    told=_rows,
    times=st.lists(st.integers(0, 5), min_size=12, max_size=12),
    arms=st.lists(st.sampled_from(["", "e/1", "e/2", "none"])),
    since_us=st.integers(0, 6),
    suffix=st.sampled_from(["x", "y"]),
)
def test_reports_are_found(
    store: Store, told: list[tuple[int, str, str, str]], times: list[int], arms: list[str], since_us: int, suffix: str
) -> None:
    """By catalog, arms and time, oldest first: just those that a look at each of them finds."""
    reports, mine = store.reports(), next(_catalogs)
    rows = [
        report_row(f"{mine}{decision}", caller, catalog=f"{mine}{catalog}", arm=arm, reported_us=time_us)
        for (decision, caller, catalog, arm), time_us in zip(told, times, strict=False)
    ]
    reports.record(rows)

    def look(*, catalog: str = "", arms: Sequence[str] = ()) -> list[ReportRow]:
        found = [
            row
            for row in rows
            if (not catalog or row.catalog == catalog) and (not arms or row.arm in arms) and row.reported_us >= since_us
        ]
        return sorted(found, key=lambda row: (row.reported_us, row.key, row.caller))

    for catalog in ("", f"{mine}{suffix}"):
        found = reports.reports(catalog=catalog, arms=arms, since_us=since_us)
        assert [row for row in found if row.catalog.startswith(mine)] == look(catalog=catalog, arms=arms)


def test_more_reports_than_a_page(store: Store) -> None:
    """All of them, once, although many came in the same microsecond."""
    reports = store.reports()
    rows = [report_row(f"{number}", reported_us=number // 3_000, arm="e/1") for number in range(5_000)]
    reports.record(rows)
    expected = sorted(rows, key=lambda row: (row.reported_us, row.key))
    assert reports.reports() == expected
    assert reports.reports(catalog="default", arms=["e/1"]) == expected


def test_forgetting(store: Store) -> None:
    """The oldest go first, at most so many, and a decision's settlement with its last report."""
    [number] = opened(store)
    reports = store.reports()
    rows = [report_row(f"{one}", "ann", 1, Debit(number, 2), reported_us=one) for one in range(1_200)]
    late = report_row("0", "bob", 1, Debit(number, 2), reported_us=5_000)
    reports.record([*rows, late])
    assert reports.forget(0, 10) == 0
    assert reports.forget(10_000, 5) == 5
    assert reports.reports() == [*rows[5:], late]
    assert store.run("SELECT count(*) FROM settlements") == [(1_196,)], "bob's report keeps the first decision's"
    assert repeated(reports.record([replace(late, caller="cid")])) == [False]
    assert reports.forget(1_000, 5_000) == 995
    assert reports.forget(1_000, 5_000) == 0
    assert spent(store) == [(1_200, 0)], "money stays as it was settled"
    assert len(reports.reports()) == 202


def test_forgetting_at_once(store: Store) -> None:
    """Several that forget at the same time remove each report once, while others come."""
    reports = store.reports()
    reports.record([report_row(f"{one}", reported_us=one) for one in range(400)])

    def forget(_: int) -> int:
        return patiently(lambda: store.reports().forget(300, 100))

    def report(one: int) -> None:
        patiently(lambda: reports.record([report_row(f"new {one}", reported_us=1_000)]))

    with ThreadPoolExecutor(6) as pool:
        gone = list(pool.map(forget, range(4)))
        list(pool.map(report, range(4)))
    while reports.forget(300, 100):
        pass
    assert sum(gone) <= 300
    assert [row.reported_us for row in reports.reports()] == [*range(300, 400), *[1_000] * 4]
