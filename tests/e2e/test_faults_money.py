"""Budgets, reports, breakers and experiments of whole servers: side by side, killed, without a database, by hand."""

import asyncio
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import open_pointers
from fingerpost.client.controls import ControlClient
from fingerpost.key_file import key_in
from fingerpost.serve.decision_id import DecisionIds
from fingerpost.types import Action, Standing
from fingerpost.v1 import decision_pb2, router_service_pb2 as pb
from tests.e2e.conftest import ROUTES
from tests.e2e.test_comparing_revisions import active
from tests.e2e.test_following import Site, database as database, serves
from tests.outcomes import Caller, reserved, rows_of, standings
from tests.postgres import Postgres
from tests.processes import ServerProcess, fingerpost
from tests.serving import Refusal, refusal
from tests.wall_clock import ShiftedServer, WallClock
from tests.watched import METRICS, Watched, until

Serve = Callable[..., ServerProcess]

TEXT = "fix the indentation error in my python script"
COST = 450
"""What 100 tokens in and out cost with `coder`, micro-dollars."""

LIMIT = 100 * COST

_POLICY = """
budgets:
  - {name: strict, of: tenant, per: month, limit: 0.045, hard: true, only: [strict]}
  - {name: hourly, of: tenant, per: hour, limit: 4.5, hard: true, only: [hourly]}
  - {name: loose, of: tenant, per: month, limit: 0.0009, only: [loose]}

experiments:
  - name: models
    route: code
    unit: session
    arms:
      - {name: as-it-is, weight: 50}
      - {name: other, weight: 50, model: large}
    guardrails:
      - {of: error_share, max: 0.2}
"""

_SECONDS = 60.0

_T = TypeVar("_T")


@pytest.fixture(scope="module")
def budgeted(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of the starter routes with budgets and an experiment; tests must not change it."""
    home = tmp_path_factory.mktemp("budgeted")
    routes = shutil.copytree(ROUTES, home / "routes")
    policy = routes / "_policy.yaml"
    policy.write_text(policy.read_text() + _POLICY)
    shutil.copytree(published / "encoders", home / "data" / "encoders", copy_function=os.link)
    shutil.copy(published / "vectors.sqlite", home / "data")
    fingerpost("reindex", "--routes", routes, "--data", home / "data")
    return home / "data"


@pytest.fixture
def folder(budgeted: Path, tmp_path: Path) -> Path:
    """A copy of it, to change at will but for the encoder."""
    made = shutil.copytree(budgeted, tmp_path / "data", ignore=shutil.ignore_patterns("encoders"))
    shutil.copytree(budgeted / "encoders", made / "encoders", copy_function=os.link)
    return Path(made)


class Fleet:
    """Servers that share a ledger: of one folder in SQLite, or each of its own with PostgreSQL."""

    def __init__(self, serve: Serve, folder: Path, site: Site | None) -> None:
        self._serve, self._folder, self._site = serve, folder, site
        self.data = DataFolder(folder) if site is None else site.publisher
        self._folders: dict[int, Path] = {}

    def start(self, *numbers: int, reachable: bool = True, **settings: Any) -> list[ServerProcess]:
        """Of these numbers, with the folder that each had before; all understand each other's decisions then."""
        places = [self.place(number) for number in numbers]
        given = {"embed_threads": 1, "reload_poll_ms": 50, **METRICS, **settings}
        if self._site is not None:
            given |= self._site.settings()
        with ThreadPoolExecutor(len(numbers)) as pool:
            servers = list(pool.map(lambda place: self._serve(place, **given), places))
        if self._site is not None:
            for server in servers:
                until(lambda server=server: serves(server, self._site.first), _SECONDS)  # type: ignore[misc]
            if reachable:
                with open_pointers(self.data) as pointers:
                    key = pointers.ledger.secret("decisions", b"k" * 32).hex()
                until(lambda: {(place / "decisions.key").read_text() for place in places} == {key}, _SECONDS)
        return servers

    def place(self, number: int) -> Path:
        if self._site is None:
            return self._folder
        if number not in self._folders:
            home = self._site.home / f"replica-{number}"
            self._folders[number] = self._site.give_encoder(home)
        return self._folders[number]


@pytest.fixture(params=["sqlite", "postgresql"])
def fleet(request: pytest.FixtureRequest, folder: Path, tmp_path: Path, serve: Serve) -> Fleet:
    if request.param == "sqlite":
        return Fleet(serve, folder, None)
    return Fleet(serve, folder, Site(tmp_path, folder, request.getfixturevalue("database")))


def on(servers: Sequence[ServerProcess], do: Callable[..., Coroutine[Any, Any, _T]]) -> _T:
    """What it returns, given a caller of each server."""

    async def with_callers() -> _T:
        async with AsyncExitStack() as stack:
            channels = [await stack.enter_async_context(grpc.aio.insecure_channel(one.address)) for one in servers]
            return await do(*map(Caller, channels))

    return asyncio.run(with_callers())


async def wave(
    callers: Sequence[Caller], count: int, tenant: str, text: str = TEXT
) -> tuple[list[pb.RouteResponse], list[Refusal]]:
    """As many calls at once over all of them."""
    ended = await asyncio.gather(*(one.ask_many(count // len(callers), text, tenant=tenant) for one in callers))
    return [one for replies, _ in ended for one in replies], [one for _, refused in ended for one in refused]


async def spend(callers: Sequence[Caller], most: int) -> list[pb.RouteResponse]:
    """Calls of the tenant `strict` until all is spent but what lies in pieces with each; never more than that many."""
    got: list[pb.RouteResponse] = []
    ends = time.monotonic() + _SECONDS
    while len(got) <= most - len(callers):
        replies, refused = await wave(callers, 40 * len(callers), "strict")
        got += replies
        assert len(got) <= most
        assert {one.code.name for one in refused} <= {"RESOURCE_EXHAUSTED"}
        assert time.monotonic() < ends, f"only {len(got)} of {most}"
    return got


def account(data: DataFolder, budget: str = "strict") -> Standing:
    [found] = [one for one in standings(data) if one.key.budget == budget]
    assert found.used_usd_micros + found.sliced_usd_micros <= found.limit_usd_micros or not found.hard
    return found


def stands(data: DataFolder, reported: int, reserved_: int, budget: str = "strict") -> bool:
    found = account(data, budget)
    return (found.reported_usd_micros, found.reserved_usd_micros) == (reported, reserved_)


# --- Side by side -----------------------------------------------------------------------------------------------------


@pytest.mark.fault("X7")
def test_four_servers_share_a_budget(fleet: Fleet) -> None:
    """1,000 calls at once against a budget for 100: never more; what reports to any server give back is spent again."""
    servers = fleet.start(1, 2, 3, 4)
    first, refused, costs, second = on(servers, _share)
    assert {one.reason for one in refused} <= {"BUDGET_EXHAUSTED", "BUDGET_LEASE_UNAVAILABLE"}
    assert {one.reserved_usd_micros for one in (*first, *second)} == {COST}
    until(lambda: stands(fleet.data, sum(costs), reserved(second)), _SECONDS)
    for server in servers:
        server.terminate()
    assert [server.wait() for server in servers] == [0] * 4
    left = account(fleet.data)
    assert (left.reported_usd_micros, left.reserved_usd_micros) == (sum(costs), reserved(second))
    assert left.sliced_usd_micros == 0, "what nobody spent is given back"
    assert len(rows_of(fleet.data)) == len(costs)


async def _share(*callers: Caller) -> tuple[list[Any], list[Refusal], list[int], list[Any]]:
    for caller in callers:
        await caller.ask(TEXT)
    first, refused = await wave(callers, 1_000, "strict")
    assert len(first) <= 100
    first += await spend(callers, 100 - len(first))
    costs = [200 + number for number in range(len(first))]
    others = (*callers[1:], callers[0])
    told = await asyncio.gather(
        *(
            others[number % 4].tell(decision, tenant="strict", cost_usd_micros=cost)
            for number, (decision, cost) in enumerate(zip(first, costs, strict=True))
        )
    )
    assert not any(one.repeated for one in told)
    return first, refused, costs, await spend(callers, (LIMIT - sum(costs)) // COST)


# --- Killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.fault("X8")
def test_a_server_is_killed_between_decisions_and_reports(fleet: Fleet) -> None:
    """SIGKILL: what it had in hand counts as spent, its decisions are settled by another, nothing counts twice."""
    dying, staying = fleet.start(1, 2)
    decided = on([dying], lambda caller: _decided(caller, 30))
    dying.process.kill()
    dying.wait()
    assert account(fleet.data).used_usd_micros + account(fleet.data).sliced_usd_micros >= 30 * COST

    [after] = fleet.start(1)

    async def settle(second: Caller, again: Caller) -> tuple[int, list[pb.RouteResponse]]:
        told = [await second.tell(one, tenant="strict", cost_usd_micros=COST // 3) for one in decided[:20]]
        assert not any(one.repeated for one in told)
        told = [await again.tell(one, tenant="strict", cost_usd_micros=LIMIT) for one in decided[:20]]
        assert all(one.repeated for one in told)
        told = [await again.tell(one, tenant="strict", cost_usd_micros=COST // 3) for one in decided[20:]]
        assert not any(one.repeated for one in told)
        more: list[pb.RouteResponse] = []
        while True:
            replies, refused = await wave([second, again], 100, "strict")
            more += replies
            if not replies and {one.reason for one in refused} == {"BUDGET_EXHAUSTED"}:
                return 30 * (COST // 3), more

    settled, more = on([staying, after], settle)
    until(lambda: account(fleet.data).reported_usd_micros == settled, _SECONDS)
    assert settled + len(more) * COST <= LIMIT
    assert len(more) >= 60, "only what was in hand is lost"
    for server in (staying, after):
        server.terminate()
        assert server.wait() == 0
    left = account(fleet.data)
    # What the killed one had not spent of its slices stays reserved until the window ends.
    assert left.reserved_usd_micros + left.sliced_usd_micros >= len(more) * COST
    assert len(rows_of(fleet.data)) == 30


async def _decided(caller: Caller, count: int) -> list[pb.RouteResponse]:
    got: list[pb.RouteResponse] = []
    while len(got) < count:
        replies, _ = await caller.ask_many(count - len(got), TEXT, tenant="strict")
        got += replies
    return got


@pytest.mark.fault("I18")
def test_a_request_id_after_a_restart(folder: Path, serve: Serve) -> None:
    """Memory of requests ends with the process: another decision, paid again; the first is settled by its own id."""
    data, replies = DataFolder(folder), list[pb.RouteResponse]()
    for _ in range(2):
        server = serve(folder, embed_threads=1)
        both = on([server], _twice)
        assert both[0].decision_id == both[1].decision_id
        replies.append(both[0])
        if len(replies) < 2:
            server.process.kill()
            server.wait()
    assert replies[0].decision_id != replies[1].decision_id

    async def settle(caller: Caller) -> set[int]:
        return {(await caller.tell(one, tenant="strict", cost_usd_micros=7)).cost_usd_micros for one in replies}

    assert on([server], settle) == {7}
    assert account(data).reported_usd_micros == 14


async def _twice(caller: Caller) -> list[pb.RouteResponse]:
    return [await caller.ask(TEXT, tenant="strict", request_id="mine") for _ in range(2)]


# --- Clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.fault("O8", "X9")
def test_a_clock_that_jumps_an_hour(folder: Path, tmp_path: Path) -> None:
    """An hour ends under load and begins once: setting the clock back gives none again; breakers do not notice."""
    data, clock = DataFolder(folder), WallClock(tmp_path / "clock")
    edge = (int(time.time()) // 3_600 + 1) * 3_600
    clock.shift(edge - 60 - time.time())  # a minute before the hour
    with ShiftedServer(folder, clock, embed_threads=1, **METRICS) as server:
        on([server], lambda caller: _across(caller, clock, edge, data))
        server.terminate()
        assert server.wait() == 0
    hours = [one for one in standings(data) if one.key.budget == "hourly"]
    assert [one.key.start_s for one in hours] == [edge - 3_600, edge]
    settled: Counter[int] = Counter()
    for row in rows_of(data):
        for debit in row.debits:
            settled[debit.account] += row.cost_usd_micros
    assert [one.reported_usd_micros for one in hours] == [settled[one.account] for one in hours]
    assert [one.reserved_usd_micros for one in hours] == [0, 0]
    assert [one.sliced_usd_micros for one in hours] == [0, 0]


async def _across(caller: Caller, clock: WallClock, edge: int, data: DataFolder) -> None:
    limited = await caller.ask("translate good morning into french", tenant="other")
    await caller.tell(limited, "RATE_LIMITED", "other", retry_after_ms=590_000)
    assert await _open(caller) == [(limited.model, "open", "rate_limited")]
    decided, stop = list[pb.RouteResponse](), asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            decided.append(await caller.ask(TEXT, tenant="hourly"))
            await asyncio.sleep(0.01)

    loading = asyncio.create_task(load())
    await _more(decided, 40)
    clock.shift(edge - time.time() - 1)  # a second before the hour, which ends now
    await _until(lambda: len(_hours(data)) == 2)
    early, late = (one.account for one in _hours(data))
    await _more(decided, 40)
    back = len(decided) + 1
    soon = await caller.ask("solve the equation x + 3 = 5", tenant="other")
    await caller.tell(soon, "RATE_LIMITED", "other", retry_after_ms=1_000)
    clock.shift(edge - time.time() - 3_000)  # in the hour before
    await _more(decided, 40)
    while len(await _open(caller)) > 1:  # a second is a second, whatever the calendar says
        await asyncio.sleep(0.05)
    clock.shift(edge - time.time() + 1_800)
    await _more(decided, 40)
    stop.set()
    await loading

    ids = DecisionIds(key_in(data.decision_key))
    paid = [claims.debits[0].account for one in decided if (claims := ids.read(one.decision_id, "hourly"))]
    assert set(paid[back:]) == {late}
    assert min(paid.count(early), paid.count(late)) >= 30
    assert await _open(caller) == [(limited.model, "open", "rate_limited")]
    for number in range(0, len(decided), 100):
        results = await caller.tell_batch(decided[number : number + 100], tenant="hourly", cost_usd_micros=number)
        assert all(one.HasField("response") for one in results)


def _hours(data: DataFolder) -> list[Standing]:
    return [one for one in standings(data) if one.key.budget == "hourly"]


async def _more(decided: list[pb.RouteResponse], count: int) -> None:
    before = len(decided)
    await _until(lambda: len(decided) >= before + count)


async def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < ends, "too late"
        await asyncio.sleep(0.05)


async def _open(caller: Caller) -> list[tuple[str, str, str]]:
    [catalog] = (await caller.info()).catalogs
    return [(one.model, one.position, one.cause) for one in catalog.open_breakers]


# --- Without the database ---------------------------------------------------------------------------------------------


@pytest.mark.fault("D5")
def test_money_and_reports_while_postgresql_is_down(
    folder: Path, tmp_path: Path, serve: Serve, database: Postgres
) -> None:
    """Routing and soft budgets go on, hard ones spend what is at hand; what is acknowledged is in the ledger, once."""
    fleet = Fleet(serve, folder, Site(tmp_path, folder, database))
    [server] = fleet.start(1)
    before = on([server], lambda caller: _decided(caller, 5))
    database.stop(signal.SIGQUIT)
    try:
        loose, told = on([server], lambda caller: _without(caller, before))
        watched = Watched(server)
        until(lambda: watched.metric("fingerpost_outbox_reports") == len(told), _SECONDS)
        server.process.kill()
        server.wait()
        # What the outbox holds, and as much more as makes it full: the name of a portion says how many it has.
        outbox = fleet.place(1) / "outbox"
        (outbox / f"{0:020d}-1-{200_000 - len(told)}.json").write_text("[]")
        [again] = fleet.start(1, reachable=False)
        assert on([again], lambda caller: _refused(caller, loose)) == "STORE_UNAVAILABLE"
    finally:
        database.start()
    until(lambda: Watched(again).metric("fingerpost_outbox_reports") == 0, _SECONDS)
    assert not list(outbox.iterdir())
    kept = {row.report.decision_id: row.cost_usd_micros for row in rows_of(fleet.data)}
    assert kept == told, "all of them, each once, and nothing else"
    assert not on([again], lambda caller: _repeated(caller, loose)), "what was refused is kept now"
    assert on([again], lambda caller: _repeated(caller, loose))
    until(lambda: account(fleet.data).reported_usd_micros == sum(told[one.decision_id] for one in before), _SECONDS)
    on([again], lambda caller: _decided(caller, 1))


async def _without(caller: Caller, before: Sequence[pb.RouteResponse]) -> tuple[pb.RouteResponse, dict[str, int]]:
    """What happens while the database is down: a decision that nobody has reported, and the costs that were."""
    replies, refused = await caller.ask_many(30, TEXT, tenant="strict")
    while {one.reason for one in refused} != {"BUDGET_LEASE_UNAVAILABLE"} or replies:
        assert {one.reason for one in refused} <= {"BUDGET_LEASE_UNAVAILABLE"}
        assert len(replies) <= 15, "a sixteenth of what was left was at hand"
        replies, refused = await caller.ask_many(30, TEXT, tenant="strict")
    assert all(one.retry_ms and one.code.name == "RESOURCE_EXHAUSTED" for one in refused)
    for number in range(20):
        assert (await caller.ask(f"{TEXT}, the {number}th")).model
    soft = [await caller.ask(TEXT, tenant="loose") for _ in range(10)]
    assert {one.reserved_usd_micros for one in soft} == {COST}, "five times its limit"
    told: dict[str, int] = {}
    for tenant, decisions in (("strict", before), ("loose", soft[:-1])):
        for number, one in enumerate(decisions):
            reply = await caller.tell(one, tenant=tenant, cost_usd_micros=100 + number)
            assert not reply.repeated
            told[one.decision_id] = reply.cost_usd_micros
    return soft[-1], told


async def _refused(caller: Caller, decision: pb.RouteResponse) -> str:
    answer = await refusal(caller.telling(decision, tenant="loose"))
    assert (answer.code, bool(answer.retry_ms)) == (grpc.StatusCode.UNAVAILABLE, True)
    return answer.reason


async def _repeated(caller: Caller, decision: pb.RouteResponse) -> bool:
    return (await caller.tell(decision, tenant="loose")).repeated


# --- By hand ----------------------------------------------------------------------------------------------------------


@pytest.mark.fault("U9")
def test_breakers_by_hand(folder: Path, serve: Serve) -> None:
    """By commands and over the admin socket: at once, in metrics and GetServerInfo, on record, and past a restart."""
    door = f"unix:{folder}/admin.sock"
    settings: dict[str, Any] = {"embed_threads": 1, "admin_listen": "", "reload_poll_ms": 50, **METRICS}
    with ServerProcess(folder, **settings) as server:
        [first] = on([server], lambda caller: _models(caller, 1))
        told = fingerpost("breaker", "open", first, "--data", folder).stdout
        assert "left alone" in told
        until(lambda: on([server], _open) == [(first, "open", "by_hand")], 10)
        assert Watched(server).metric("fingerpost_breaker_open", catalog="default", model=first) == 1
        reply = on([server], lambda caller: caller.ask(TEXT))
        assert reply.model != first
        assert [one.model for one in reply.skipped_models if one.reason == decision_pb2.SKIP_REASON_BREAKER_OPEN] == [
            first
        ]
        shown = json.loads(fingerpost("breaker", "show", first, "--data", folder, "--json").stdout)
        assert (shown["position"], shown["cause"], shown["by_hand"][:3]) == ("open", "by_hand", "os:")
    with ServerProcess(folder, **settings) as server, ControlClient(door) as controls:
        until(lambda: on([server], _open) == [(first, "open", "by_hand")], 10)
        models = [one.model for one in controls.breakers()]
        for model in models:
            controls.set_breaker(model, open=True)
        until(lambda: len(on([server], _open)) == len(models), 10)
        answer = on([server], lambda caller: refusal(caller.asking(TEXT)))
        assert (answer.code, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "NO_HEALTHY_MODEL")
        for model in models:
            controls.reset_breaker(model)
        until(lambda: on([server], _open) == [], 10)
        assert on([server], lambda caller: _models(caller, 1)) == [first]
    with open_pointers(DataFolder(folder)) as pointers:
        entries, _ = pointers.ledger.audit()
    done = [one.event for one in entries if one.event.details.get("kind") == "breaker"]
    assert Counter(event.action for event in done) == {Action.SET: 1 + len(models), Action.RESET: len(models)}
    assert {event.actor[:3] for event in done} == {"os:"}


async def _models(caller: Caller, count: int) -> list[str]:
    return [(await caller.ask(TEXT)).model for _ in range(count)]


# --- Experiments ------------------------------------------------------------------------------------------------------


def test_a_guardrail_stops_an_arm_everywhere(folder: Path, tmp_path: Path, serve: Serve, database: Postgres) -> None:
    """Reports to one server stop the arm on both, on record as the guardrail's doing; reset, it starts again."""
    fleet = Fleet(serve, folder, Site(tmp_path, folder, database))
    servers = fleet.start(1, 2, admin_listen="")

    async def fail(first: Caller, second: Caller) -> None:
        assert await _arms(first) == await _arms(second) == {"as-it-is", "other"}
        for number in range(400):
            reply = await first.ask(TEXT, session_id=f"failing {number}")
            if reply.experiment.arm == "other":
                await first.tell(reply, "SERVER_ERROR", model="large")
            if number % 20 == 19 and await _arms(first) == {"as-it-is"}:
                break
        assert await _arms(first) == {"as-it-is"}
        while await _arms(second) != {"as-it-is"}:
            await asyncio.sleep(0.1)

    on(servers, fail)
    with open_pointers(fleet.data) as pointers:
        entries, _ = pointers.ledger.audit()
    [stopped] = [one.event for one in entries if one.event.action is Action.STOP_ARM]
    assert stopped.actor == "fingerpost:guardrail"
    assert (stopped.details["experiment"], stopped.details["arm"]) == ("models", "other")
    assert "failed" in stopped.details["stopped"]
    with ControlClient(f"unix:{fleet.place(2)}/admin.sock") as controls:
        [state] = controls.experiments()
        assert [bool(arm.stopped) for arm in state.arms] == [False, True]
        controls.reset_experiment("models")

    async def again(first: Caller, second: Caller) -> None:
        for caller in (first, second):
            while await _arms(caller) != {"as-it-is", "other"}:
                await asyncio.sleep(0.1)
        for number in range(10):  # it is counted from nothing: a few more failures stop nothing
            reply = await first.ask(TEXT, session_id=f"failing {number}")
            await first.tell(reply, "SERVER_ERROR", model="large")
        assert await _arms(first) == {"as-it-is", "other"}

    on(servers, again)


async def _arms(caller: Caller) -> set[str]:
    """Of thirty sessions."""
    return {(await caller.ask(TEXT, session_id=f"session {number}")).experiment.arm for number in range(30)}


def test_a_canary_of_a_published_revision(data: Path, routes: Path, serve: Serve) -> None:
    """An experiment names an earlier revision by its digest: a share of sessions is decided by it, each always."""
    earlier = active(data)
    (routes / "maths.yaml").unlink()
    policy = routes / "_policy.yaml"
    experiment = f"""
experiments:
  - name: canary
    unit: session
    arms:
      - {{name: control, weight: 60}}
      - {{name: earlier, weight: 40, revision: {earlier}}}
"""
    policy.write_text(policy.read_text() + experiment)
    fingerpost("reindex", "--routes", routes, "--data", data)
    later = active(data)
    sums = "what is the derivative of x squared times the sine of x"
    with ServerProcess(data, embed_threads=1) as server:

        async def ask(caller: Caller) -> list[pb.RouteResponse]:
            return [await caller.ask(sums, session_id=f"s{number % 40}") for number in range(80)]

        replies = on([server], ask)
    assert {(one.revision, one.experiment.arm) for one in replies} == {(later, "control"), (earlier, "earlier")}
    assert {one.route for one in replies if one.revision == earlier} == {"maths"}
    assert "maths" not in {one.route for one in replies if one.revision == later}
    assert [one.revision for one in replies[:40]] == [one.revision for one in replies[40:]]
    assert all(one.cached for one in replies[40:])
    shutil.rmtree(data / "revisions" / earlier)
    server = serve(data, embed_threads=1, **METRICS)
    alone = on([server], ask)
    assert {(one.revision, one.experiment.arm) for one in alone} == {(later, "control")}
    stopped = Watched(server).metric("fingerpost_arm_stopped", experiment="canary", arm="earlier")
    assert stopped == 1
    assert any("arm_not_served" in line for line in server.log)
