"""Accounts of budgets in the ledger: never over a hard limit, nothing counted twice, whatever breaks on the way."""

import itertools
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fingerpost.backends.ledger.treasury import SqlTreasury
from fingerpost.errors import NotFound, Unavailable
from fingerpost.ports import Records
from fingerpost.types import AccountKey, Action, Alert, Debit, Event, Standing, Want
from tests.accounts import (
    HOUR_S,
    Twin,
    account,
    lease_all,
    lease_until_nothing_is_left,
    patiently,
    report_row,
    spend_for_ever,
    want,
)
from tests.ledgers import PostgresStore, Store, far_store
from tests.postgres import Postgres
from tests.tcp_proxy import Fault, Proxy

_CONTEXT = multiprocessing.get_context("forkserver")
_COMMIT = b"COMMIT\0"
_CUTS = (Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.CUT_REPLIED)

GENERATED = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_catalogs = (f"c{number}" for number in itertools.count())
"""Each generated example has one of its own in the test's ledger."""


@pytest.fixture
def far(tmp_path: Path, postgres: Postgres) -> Iterator[tuple[PostgresStore, Proxy]]:
    """A machine that reaches PostgreSQL by way of a proxy."""
    with far_store(tmp_path / "far", postgres) as made:
        yield made


def amounts(treasury: SqlTreasury, *wants: Want, owner: str = "one") -> list[int]:
    return [one.usd_micros for one in treasury.lease(owner, wants)]


def only(standings: Sequence[Standing]) -> Standing:
    [found] = standings
    return found


def clear(store: Store, number: int) -> Standing:
    """As a person does."""
    found: list[Standing] = []

    def work(records: Records) -> Event:
        found.append(records.clear_account(number))
        return Event("os:x", Action.RESET, "default", "")

    store.ledger().change(f"clear {next(_keys)}", work)
    return found[-1]


_keys = itertools.count()


# --- Slices --------------------------------------------------------------------------------------------------------


def test_slices_up_to_the_limit(store: Store) -> None:
    """A hard account gives what is left, then nothing; not even that where it is less than helps."""
    treasury = store.treasury()
    assert amounts(treasury, want("a", 60), want("b", 30)) == [60, 30]
    assert amounts(treasury, want("c", 30, least=20), want("d", 30), want("e", 1)) == [0, 10, 0]
    assert amounts(treasury, want("f", 1, key=account("another"))) == [1]


def test_a_soft_account_gives_what_is_asked(store: Store) -> None:
    """Beyond its limit too, and that counts once the account is hard."""
    treasury = store.treasury()
    assert amounts(treasury, want("a", 150, hard=False, least=200), want("b", 1)) == [150, 0]
    assert amounts(treasury, want("c", 100, 151)) == [1]


def test_the_same_slice_again(store: Store) -> None:
    """Who asks again with the same id gets the same slice, and nobody else does."""
    treasury = store.treasury()
    first = treasury.lease("one", [want("a", 60)])
    assert treasury.lease("one", [want("a", 90), want("a", 90)]) == [*first, *first]
    assert amounts(treasury, want("a", 60), owner="two") == [0]
    assert amounts(treasury, want("a", 60, key=account("another"))) == [0]
    assert amounts(treasury, want("b", 60)) == [40]


def test_what_is_given_back_is_there_again_once(store: Store) -> None:
    """Only its owner can give a slice back, once, and no more than it was."""
    treasury = store.treasury()
    treasury.lease("one", [want("a", 60), want("b", 40)])
    treasury.give_back("two", {"a": 60})
    treasury.give_back("one", {"a": 10, "none": 5})
    treasury.give_back("one", {"a": 50})
    assert amounts(treasury, want("c", 60)) == [10]
    treasury.give_back("one", {"b": 1_000})
    assert amounts(treasury, want("d", 60)) == [40]


def test_how_an_account_stands(store: Store) -> None:
    """What is spent of slices is reserved until its cost is reported; what is unspent is only sliced."""
    treasury, reports = store.treasury(), store.reports()
    [slice_] = treasury.lease("one", [want("a", 60)])
    assert only(treasury.standings()) == Standing(slice_.account, account(), HOUR_S, 100, True, 0, 0, 60, 0)
    treasury.tell("two", {"a": 1})
    treasury.tell("one", {"a": 20, "none": 3})
    assert only(treasury.standings()) == Standing(slice_.account, account(), HOUR_S, 100, True, 0, 40, 20, 0)
    reports.record([report_row("d", "ann", 25, Debit(slice_.account, 30))])
    stands = only(treasury.standings())
    assert stands == Standing(slice_.account, account(), HOUR_S, 100, True, 25, 10, 20, 0)
    assert stands.used_usd_micros == 35
    assert amounts(treasury, want("b", 100)) == [45], "the slice counts whole, but for what the report was cheaper"


def test_a_report_before_the_owner_tells(store: Store) -> None:
    """What a report shows to be spent is not taken for unspent, although its owner has not said so yet."""
    treasury = store.treasury()
    [slice_] = treasury.lease("one", [want("a", 60)])
    store.reports().record([report_row("d", "ann", 25, Debit(slice_.account, 30))])
    stands = only(treasury.standings())
    assert (stands.reserved_usd_micros, stands.sliced_usd_micros, stands.reported_usd_micros) == (0, 30, 25)


def test_standings_of_some(store: Store) -> None:
    """Of one catalog, and of windows that end later; in order, wherever they were opened first."""
    treasury = store.treasury()
    keys = [account(holder, start, catalog) for catalog in "ba" for holder in "yx" for start in (HOUR_S, 0)]
    treasury.lease("one", [want(str(key), 1, key=key) for key in keys])
    assert [one.key for one in treasury.standings()] == sorted(keys, key=str)
    assert [one.key for one in treasury.standings("a")] == sorted(keys[4:], key=str)
    late = treasury.standings("b", since_s=HOUR_S)
    assert [(one.key, one.end_s) for one in late] == [(account(one, HOUR_S, "b"), 2 * HOUR_S) for one in "xy"]


def test_more_accounts_than_a_statement_takes(store: Store) -> None:
    """Thousands at once are opened, told, given back and read all the same."""
    treasury = store.treasury()
    wants = [want(f"s{number}", 7, key=account(f"tenant {number}")) for number in range(2_345)]
    assert [one.usd_micros for one in treasury.lease("one", wants)] == [7] * len(wants)
    treasury.tell("one", {one.id: 3 for one in wants})
    assert {one.reserved_usd_micros for one in treasury.standings()} == {4}
    treasury.give_back("one", {one.id: 3 for one in wants})
    assert {one.sliced_usd_micros for one in treasury.standings()} == {0}
    assert sum(one.reserved_usd_micros for one in treasury.standings()) == 4 * len(wants)


def test_numbers_of_accounts_are_not_used_up(store: Store) -> None:
    """Decisions carry the number in 32 bits: asking for an account that is there takes no new one."""
    treasury = store.treasury()
    treasury.lease("one", [want("first", 1)])
    for number in range(20):
        treasury.lease("one", [want(f"{number}", 1)])
    [slice_] = treasury.lease("one", [want("last", 1, key=account("another"))])
    assert slice_.account == 2


def test_clearing(store: Store) -> None:
    """What was spent counts no more, slices that are out still do, and it is on record; once more changes nothing."""
    treasury = store.treasury()
    treasury.lease("one", [want("a", 60), want("b", 40)])
    treasury.give_back("one", {"a": 0})
    number = only(treasury.standings()).account
    cleared = clear(store, number)
    assert cleared == only(treasury.standings())
    assert (cleared.cleared_usd_micros, cleared.used_usd_micros) == (60, 0)
    assert clear(store, number) == cleared
    assert amounts(treasury, want("c", 100)) == [60]
    assert [entry.event.action for entry in store.ledger().audit()[0]] == [Action.RESET] * 2
    with pytest.raises(NotFound):
        clear(store, 99)
    with pytest.raises(NotFound):
        clear(store, 2**40)


# --- Against a twin ------------------------------------------------------------------------------------------------

_owners = st.sampled_from(["one", "two"])
_ids = st.integers(0, 5)
_holders = st.sampled_from("xyz")
_some = st.integers(0, 60)

_leases = st.tuples(
    st.just("lease"),
    _owners,
    st.lists(
        st.tuples(
            _ids, _holders, st.integers(1, 60), st.sampled_from([50, 100, 200]), st.booleans(), st.integers(1, 9)
        ),
        min_size=1,
        max_size=4,
    ),
)
_steps = st.one_of(
    _leases,
    st.tuples(st.just("tell"), _owners, st.dictionaries(_ids, _some, max_size=3)),
    st.tuples(st.just("give_back"), _owners, st.dictionaries(_ids, _some, max_size=3)),
    st.tuples(
        st.just("record"),
        st.lists(
            st.tuples(_ids, st.sampled_from("ab"), _some, st.lists(st.tuples(_holders, _some), max_size=3)),
            min_size=1,
            max_size=4,
        ),
    ),
    st.tuples(st.just("clear"), _holders),
)


class Pair:
    """The ledger and its twin, which do the same."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.catalog = next(_catalogs)
        self.treasury, self.reports = store.treasury(), store.reports()
        self.twin = Twin()
        self.numbers: dict[AccountKey, int] = {}

    def key(self, holder: str) -> AccountKey:
        return account(holder, catalog=self.catalog)

    def lease(self, owner: str, wants: list[tuple[int, str, int, int, bool, int]]) -> None:
        made = [
            want(self.id(id), usd_micros, limit, key=self.key(holder), hard=hard, least=least)
            for id, holder, usd_micros, limit, hard, least in wants
        ]
        found = self.treasury.lease(owner, made)
        assert [one.usd_micros for one in found] == self.twin.lease(owner, made)
        assert [one.id for one in found] == [one.id for one in made]
        self.numbers.update({one.key: slice_.account for one, slice_ in zip(made, found, strict=True)})

    def tell(self, owner: str, left: dict[int, int]) -> None:
        self.treasury.tell(owner, {self.id(id): usd_micros for id, usd_micros in left.items()})
        for id, usd_micros in left.items():
            self.twin.tell(owner, self.id(id), usd_micros)

    def give_back(self, owner: str, left: dict[int, int]) -> None:
        self.treasury.give_back(owner, {self.id(id): usd_micros for id, usd_micros in left.items()})
        for id, usd_micros in left.items():
            self.twin.give_back(owner, self.id(id), usd_micros)

    def record(self, told: list[tuple[int, str, int, list[tuple[str, int]]]]) -> None:
        rows, debits = [], []
        for place, (decision, caller, cost, debited) in enumerate(told):
            known = [(self.key(holder), usd) for holder, usd in debited if self.key(holder) in self.numbers]
            numbered = [Debit(self.numbers[key], usd_micros) for key, usd_micros in known]
            made = report_row(f"{self.catalog}{decision}", caller, cost, *numbered)
            rows.append(replace(made, reported_us=len(self.twin.reports) * 10 + place))
            debits.append(known)
        found = self.reports.record(rows)
        assert found == [self.twin.record(row, debited) for row, debited in zip(rows, debits, strict=True)]

    def clear(self, holder: str) -> None:
        if self.key(holder) in self.numbers:
            clear(self.store, self.numbers[self.key(holder)])
            self.twin.clear(self.key(holder))

    def id(self, number: int) -> str:
        return f"{self.catalog}-{number}"


@pytest.mark.fault("X8")
@GENERATED
@given(steps=st.lists(_steps, max_size=25))
def test_any_sequence_is_as_its_twin_says(store: Store, steps: list[tuple[Any, ...]]) -> None:
    """Slices taken, told, given back, settled and cleared in any order: each answer and standing is the twin's."""
    pair = Pair(store)
    for name, *arguments in steps:
        getattr(pair, name)(*arguments)
        assert list(pair.treasury.standings(pair.catalog)) == pair.twin.standings(pair.numbers)


class Spender:
    """A process that spends slices as a server does: what it reserves it takes off them, and reports cost no more."""

    def __init__(self, store: Store, catalog: str, limit: int, *, least: int = 1) -> None:
        self.key = account(catalog=catalog)
        self.treasury, self.reports = store.treasury(), store.reports()
        self.limit, self.least = limit, least
        self.left: dict[str, int] = {}
        self.unreported: list[tuple[Debit, str]] = []
        self.given: list[int] = []
        self.spent = 0
        self._number = itertools.count()
        self._account = 0

    def lease(self, usd_micros: int) -> None:
        asked = want(f"{self.key.catalog} {next(self._number)}", usd_micros, self.limit, key=self.key, least=self.least)
        [found] = self.treasury.lease("one", [asked])
        self.given.append(found.usd_micros)
        self._account = found.account
        if found.usd_micros:
            self.left[found.id] = found.usd_micros

    def reserve(self, share: int) -> None:
        """So many hundredths of the latest slice."""
        if self.left:
            id, left = list(self.left.items())[-1]
            taken = left * share // 100
            self.left[id] = left - taken
            self.unreported.append((Debit(self._account, taken), f"{self.key.catalog} {next(self._number)}"))

    def report(self, share: int) -> None:
        """So many hundredths of what the earliest decision has reserved."""
        if self.unreported:
            debit, decision = self.unreported.pop(0)
            cost = debit.usd_micros * share // 100
            self.reports.record([report_row(decision, "ann", cost, debit), report_row(decision, "bob", cost, debit)])
            self.spent += cost

    def tell(self, _: int) -> None:
        self.treasury.tell("one", self.left)

    def give_back(self, _: int) -> None:
        self.treasury.give_back("one", self.left)
        self.left = {}

    def die(self, _: int) -> None:
        """What it held is nobody's."""
        self.left = {}

    def standing(self) -> Standing | None:
        found = self.treasury.standings(self.key.catalog)
        return found[0] if found else None


_spending = st.lists(
    st.tuples(
        st.sampled_from(["lease", "lease", "reserve", "reserve", "report", "tell", "give_back", "die"]),
        st.integers(1, 100),
    ),
    max_size=30,
)


_leasing = st.lists(
    st.tuples(st.sampled_from(["lease", "lease", "tell", "give_back", "die"]), st.integers(1, 100)), max_size=30
)


@pytest.mark.fault("X7")
@GENERATED
@given(steps=_spending, clearing=st.sets(st.integers(0, 29), max_size=2), least=st.integers(1, 20))
def test_never_over_a_hard_limit(store: Store, steps: list[tuple[str, int]], clearing: set[int], least: int) -> None:
    """However slices are taken, spent, lost and given back: never more than the limit and what a person cleared."""
    spender = Spender(store, next(_catalogs), 100, least=least)
    for number, (name, amount) in enumerate(steps):
        getattr(spender, name)(amount)
        stands = spender.standing()
        if stands is not None and number in clearing:
            stands = clear(store, stands.account)
        if stands is not None:
            bound = 100 + stands.cleared_usd_micros
            assert stands.reported_usd_micros + stands.reserved_usd_micros + stands.sliced_usd_micros <= bound
            assert stands.reported_usd_micros == spender.spent
            assert sum(spender.left.values()) <= stands.sliced_usd_micros or name != "tell"


@GENERATED
@given(steps=_leasing, limit=st.integers(1, 150), more=st.integers(1, 100))
def test_a_greater_limit_never_gives_less(store: Store, steps: list[tuple[str, int]], limit: int, more: int) -> None:
    """The same sequence with a greater limit: no slice of it is smaller.

    Without decisions: what they reserve and give back depends on the slices, and would make two sequences of one.
    """
    small, large = (Spender(store, next(_catalogs), one) for one in (limit, limit + more))
    for name, amount in steps:
        for spender in (small, large):
            getattr(spender, name)(amount)
    assert all(one <= other for one, other in zip(small.given, large.given, strict=True))


# --- Many at once --------------------------------------------------------------------------------------------------


@pytest.mark.fault("X7")
def test_threads_share_an_account(store: Store) -> None:
    """Eight threads that ask until nothing is left: together they get the limit, to the micro-dollar."""
    treasury = store.treasury()
    with ThreadPoolExecutor(8) as pool:
        owners = [pool.submit(lease_all, treasury, f"o{number}", 7 + number, 500) for number in range(8)]
        given = [one.usd_micros for owner in owners for one in owner.result()]
    assert sum(given) == 500
    assert only(treasury.standings()).sliced_usd_micros == 500


@pytest.mark.fault("X7")
def test_processes_share_an_account(store: Store) -> None:
    """Four processes that ask until nothing is left: together they get the limit, to the micro-dollar."""
    treasury = store.treasury()
    with ProcessPoolExecutor(4, mp_context=_CONTEXT) as pool:
        owners = [
            pool.submit(lease_until_nothing_is_left, store.data, f"o{number}", 7 + number, 500) for number in range(4)
        ]
        given = [one.usd_micros for owner in owners for one in owner.result()]
    assert sum(given) == 500
    assert only(treasury.standings()).sliced_usd_micros == 500


def test_accounts_in_any_order(store: Store) -> None:
    """Who asks for, settles and clears several accounts in opposite orders at once never waits for one another."""
    treasury, reports = store.treasury(), store.reports()
    keys = [account(holder) for holder in "abcdef"]
    numbers = [one.account for one in treasury.lease("x", [want(str(key), 1, 10**6, key=key) for key in keys])]

    def work(number: int) -> None:
        way = 1 if number % 2 else -1
        wants = [want(f"{number} {key}", 5, 10**6, key=key) for key in keys[::way]]
        patiently(lambda: treasury.lease("one", wants))
        debits = [Debit(one, 1) for one in numbers[::way]]
        rows = [report_row(decision, f"caller {number}", 5, *debits) for decision in "abc"[::way]]
        patiently(lambda: reports.record(rows))
        patiently(lambda: treasury.give_back("one", {one.id: 0 for one in wants[::way]}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(16)))
    stands = treasury.standings()
    assert {(one.reported_usd_micros, one.reserved_usd_micros, one.sliced_usd_micros) for one in stands} == {
        (15, 77, 1)
    }


@pytest.mark.fault("X9")
def test_a_window_ends_while_many_spend(store: Store) -> None:
    """Two hundred threads across the edge of an hour: each hour's account has what its own decisions cost."""
    treasury, reports = store.treasury(), store.reports()
    together = threading.Barrier(200)

    def spend(number: int) -> None:
        second = HOUR_S - 100 + number
        key = account(start_s=second // HOUR_S * HOUR_S)
        together.wait()
        asked = want(f"s{number}", 10, 100_000, key=key)
        [slice_] = patiently(lambda: treasury.lease(f"o{number}", [asked]))
        row = report_row(f"{number}", "ann", 1 + number % 7, Debit(slice_.account, 7), decided_s=second)
        patiently(lambda: reports.record([row]))
        patiently(lambda: treasury.give_back(f"o{number}", {slice_.id: 3}))

    with ThreadPoolExecutor(200) as pool:
        list(pool.map(spend, range(200)))
    before, after = treasury.standings()
    assert (before.key.start_s, after.key.start_s) == (0, HOUR_S)
    for stands in (before, after):
        rows = [row for row in reports.reports() if row.decided_s // HOUR_S * HOUR_S == stands.key.start_s]
        assert len(rows) == 100
        assert stands.reported_usd_micros == sum(row.cost_usd_micros for row in rows)
        assert (stands.reserved_usd_micros, stands.sliced_usd_micros) == (0, 0)
    assert store.run("SELECT count(*) FROM settlements") == [(200,)]


# --- What breaks ---------------------------------------------------------------------------------------------------


@pytest.mark.fault("X8")
def test_killed_between_taking_and_giving_back(store: Store) -> None:
    """What a killed process had in hand stays charged in full, once; what it gave back is there again."""
    treasury = store.treasury()
    log = store.root / "log"
    log.touch()
    for _ in range(3):
        seen = len(log.read_text().splitlines())
        child = _CONTEXT.Process(target=spend_for_ever, args=(store.data, str(log)))
        child.start()
        while len(log.read_text().splitlines()) < seen + 7:
            assert child.is_alive()
            child.join(0.005)
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
    told = [line.split() for line in log.read_text().splitlines()]
    taken = sum(int(usd_micros) for what, usd_micros in told if what == "taken")
    back = sum(int(usd_micros) for what, usd_micros in told if what == "back")
    [(out,)] = store.run("SELECT coalesce(sum(usd_micros), 0) FROM budget_slices")
    stands = only(treasury.standings())
    charged = stands.reserved_usd_micros + stands.sliced_usd_micros
    assert stands.sliced_usd_micros == out
    assert taken - back - 3 * 5 <= charged <= taken - back + 3 * 10, "at most the last step of each child is not told"
    assert charged % 5 == 0
    assert amounts(treasury, want("rest", 10**9, 10_000_000)) == [10_000_000 - charged]


def doing(store: Store, name: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """A change of the treasury, prepared, and what must be the same however often it was sent."""
    treasury, reports = store.treasury(), store.reports()
    [slice_] = treasury.lease("one", [want("before", 50)])
    alert: Callable[[Alert], tuple[int, int]] = lambda one: (one.percent, one.attempts)  # noqa: E731
    if name in ("notice", "due_alerts"):
        treasury.tell("one", {"before": 0})
    if name == "due_alerts":
        treasury.notice([20, 50], 5)
    changes: dict[str, Callable[[], object]] = {
        "lease": lambda: amounts(treasury, want("a", 30), want("b", 30)),
        "tell": lambda: treasury.tell("one", {"before": 20}),
        "give_back": lambda: treasury.give_back("one", {"before": 20}),
        "notice": lambda: [alert(one) for one in treasury.notice([50, 80], 5)],
        "due_alerts": lambda: [alert(one) for one in treasury.due_alerts(6, 1, 10)],
        "record": lambda: [
            one.repeated for one in reports.record([report_row("d", "ann", 7, Debit(slice_.account, 20))] * 2)
        ],
        "clear": lambda: clear(store, slice_.account).cleared_usd_micros,
    }
    seen = (
        "SELECT sliced_usd_micros, settled_reserved_usd_micros, settled_usd_micros, cleared_usd_micros "
        "FROM budget_accounts",
        "SELECT id, usd_micros, left_usd_micros FROM budget_slices ORDER BY id",
        "SELECT percent, attempts, next_try_us FROM budget_alerts ORDER BY percent",
        "SELECT key, caller FROM reports",
        "SELECT key FROM settlements",
    )
    return changes[name], lambda: [store.run(query) for query in seen]


_RESULTS = {
    "lease": [30, 20],
    "tell": None,
    "give_back": None,
    "notice": [(50, 0)],
    "due_alerts": [(20, 1)],
    "record": [False, True],
    "clear": 0,
}


@pytest.mark.fault("D6", "I18")
@pytest.mark.parametrize("name", sorted(_RESULTS))
def test_a_connection_that_is_cut_in_the_commit(
    tmp_path: Path, postgres: Postgres, far: tuple[PostgresStore, Proxy], name: str
) -> None:
    """Whether the commit arrived or not: the change is repeated, answers as if nothing had been, and is done once."""
    machine, proxy = far
    expected: list[object] = []
    for cut in (None, *_CUTS):
        machine.schema = postgres.new_schema()
        machine.data = replace(machine.data, store=postgres.url(machine.schema, proxy.port))
        change, seen = doing(machine, name)
        fired = proxy.fired
        if cut is not None:
            proxy.arm(_COMMIT, cut)
        assert change() == _RESULTS[name]
        assert proxy.fired - fired == (cut is not None)
        expected.append(seen())
    assert expected[1:] == expected[:1] * len(_CUTS)


@pytest.mark.fault("D6")
def test_a_commit_whose_outcome_stays_unknown(far: tuple[PostgresStore, Proxy]) -> None:
    """When no attempt's reply gets through, asking again with the same id gives what was taken, charged once."""
    machine, proxy = far
    treasury = machine.treasury()
    proxy.arm(_COMMIT, Fault.CUT_REPLIED, times=3)
    with pytest.raises(Unavailable, match="is not known"):
        treasury.lease("one", [want("a", 60)])
    assert proxy.fired == 3
    assert amounts(treasury, want("a", 60), want("b", 60)) == [60, 40]


@pytest.mark.fault("D7")
def test_an_account_that_another_holds(tmp_path: Path, postgres: Postgres) -> None:
    """A lease waits a moment for whoever holds the account, then is told so, and nothing is taken."""
    with far_store(tmp_path, postgres) as (machine, _):
        treasury = machine.treasury()
        treasury.lease("one", [want("a", 10)])
        with machine.postgres.connect(machine.schema) as holder, holder.transaction():
            holder.execute("SELECT 1 FROM budget_accounts FOR UPDATE")
            with pytest.raises(Unavailable, match="is busy"):
                treasury.lease("one", [want("b", 10)])
        assert amounts(treasury, want("c", 100)) == [90]


# --- Alerts --------------------------------------------------------------------------------------------------------


def shares(alerts: Sequence[Alert]) -> list[tuple[str, int, int]]:
    return [(one.key.holder, one.percent, one.used_usd_micros) for one in alerts]


def test_alerts_are_told_once(store: Store) -> None:
    """Each share of the limit that is used, not only sliced, once an account, while its window runs."""
    treasury = store.treasury()
    now = 10_000_000
    treasury.lease("one", [want("a", 90), want("b", 49, key=account("other"), hard=False)])
    assert treasury.notice([50, 80, 100], now) == []
    treasury.tell("one", {"a": 10, "b": 0})
    [first, second] = treasury.notice([50, 80, 100], now)
    assert shares([first, second]) == [("", 50, 80), ("", 80, 80)]
    assert (first.limit_usd_micros, first.hard, first.time_us, first.end_s) == (100, True, now, HOUR_S)
    assert treasury.notice([50, 80, 100], now) == []
    treasury.lease("one", [want("c", 100, 98, key=account("other"), hard=False)])
    assert shares(treasury.notice([100, 50, 50], now)) == [("other", 50, 49)]
    treasury.tell("one", {"c": 0})
    assert shares(treasury.notice([50, 100], now)) == [("other", 100, 149)]


def test_a_spent_account_has_reached_the_whole(store: Store) -> None:
    """A hard one of which less is left than any request takes; a soft one is never spent so."""
    treasury = store.treasury()
    slices = treasury.lease("one", [want("a", 95), want("b", 95, key=account("other"), hard=False)])
    treasury.tell("one", {"a": 0, "b": 0})
    assert shares(treasury.notice([100], 5)) == []
    treasury.spent([one.account for one in slices])
    assert shares(treasury.notice([50, 100], 5)) == [("", 50, 95), ("", 100, 95), ("other", 50, 95)]
    assert treasury.notice([50, 100], 5) == []


@pytest.mark.parametrize(("now_s", "told"), [(-1, 0), (0, 1), (HOUR_S - 1, 1), (HOUR_S, 0)])
def test_alerts_of_windows_that_run(store: Store, now_s: int, told: int) -> None:
    """Not before a window begins, nor when it is over."""
    treasury = store.treasury()
    treasury.lease("one", [want("a", 90)])
    treasury.tell("one", {"a": 0})
    assert len(treasury.notice([50], now_s * 1_000_000)) == told


def test_what_was_cleared_is_not_used(store: Store) -> None:
    """After a clearing a share is reached only by what is spent since."""
    treasury = store.treasury()
    treasury.lease("one", [want("a", 90)])
    treasury.give_back("one", {"a": 0})
    clear(store, only(treasury.standings()).account)
    assert treasury.notice([50], 5) == []
    treasury.lease("one", [want("b", 60)])
    treasury.give_back("one", {"b": 0})
    assert shares(treasury.notice([50], 5)) == [("", 50, 60)]


@GENERATED
@given(
    told=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120), st.integers(0, 60), st.integers(1, 120))),
    percents=st.lists(st.sampled_from([1, 50, 80, 100]), min_size=1),
)
def test_alerts_are_what_standings_say(
    store: Store, told: list[tuple[int, int, int, int]], percents: list[int]
) -> None:
    """An account has an alert exactly when its standing has reached the share."""
    treasury, reports, catalog = store.treasury(), store.reports(), next(_catalogs)
    for number, (usd_micros, left, cost, limit) in enumerate(told):
        key = account(f"{number:03}", catalog=catalog)
        [slice_] = treasury.lease("one", [want(str(key), usd_micros + 1, limit, key=key, hard=False)])
        treasury.tell("one", {slice_.id: left})
        if cost:
            reports.record([report_row(f"{catalog} {number}", "ann", cost, Debit(slice_.account, cost // 2))])
    expected = [
        (one.key.holder, percent, one.used_usd_micros)
        for one in treasury.standings(catalog)
        for percent in sorted(set(percents))
        if one.used_usd_micros > 0 and 100 * one.used_usd_micros >= percent * one.limit_usd_micros
    ]
    noticed = treasury.notice(percents, 5)  # of earlier examples' accounts too, where those asked for other shares
    assert shares([one for one in noticed if one.key.catalog == catalog]) == expected


def test_alerts_are_given_out_until_they_are_delivered(store: Store) -> None:
    """Each is one caller's until the time it says, then due again; delivered or given up, never again."""
    treasury = store.treasury()
    treasury.lease("one", [want("a", 100)])
    treasury.tell("one", {"a": 0})
    noticed = treasury.notice([50, 80, 100], 5)
    assert treasury.due_alerts(4, 9, 10) == []
    assert treasury.due_alerts(5, 2, 10) == [replace(one, attempts=1) for one in noticed[:2]]
    assert treasury.due_alerts(5, 9, 10) == [replace(noticed[2], attempts=1)]
    assert treasury.due_alerts(9, 9, 20) == []
    treasury.alert_delivered(noticed[0].id, 9)
    treasury.alert_given_up(noticed[1].id, 9)
    treasury.alert_delivered(noticed[1].id, 10)
    treasury.alert_delivered("99-50", 9)
    assert treasury.due_alerts(10, 9, 20) == [replace(noticed[2], attempts=2)]
    delivered = "SELECT percent, delivered_us, given_up_us FROM budget_alerts ORDER BY percent"
    assert store.run(delivered) == [(50, 9, None), (80, None, 9), (100, None, None)]


def test_alerts_are_noticed_and_given_out_once_to_many(store: Store) -> None:
    """Eight that look at the same time: each alert is told to one of them, and given out to one of them."""
    treasury = store.treasury()
    wants = [want(f"s{number}", 100, key=account(f"{number:02}")) for number in range(20)]
    treasury.lease("one", wants)
    treasury.tell("one", {one.id: 0 for one in wants})
    with ThreadPoolExecutor(8) as pool:
        noticed = list(pool.map(lambda _: patiently(lambda: treasury.notice([50, 80], 5)), range(8)))
        given = list(pool.map(lambda _: patiently(lambda: treasury.due_alerts(6, 7, 100)), range(16)))
    expected = sorted((one.key.holder, percent, 100) for one in wants for percent in (50, 80))
    assert sorted(one for some in noticed for one in shares(some)) == expected
    assert sorted(one for some in given for one in shares(some)) == expected
