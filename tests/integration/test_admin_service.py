"""The admin service over its real listener: what is told, who may change what, once, and what wrong input meets."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from fingerpost.access.editing import add_token
from fingerpost.cli.local_controls import LocalControls
from fingerpost.cli.reported_experiments import as_report
from fingerpost.client.controls import ControlClient
from fingerpost.errors import (
    DataLoss,
    ErrorReason,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from fingerpost.rpc.permissions import NEEDED
from fingerpost.types import AccessRole, BudgetState
from fingerpost.v1 import admin_service_pb2 as pb
from fingerpost.v1.admin_service_pb2_grpc import AdminServiceStub
from tests.controls import ACCOUNT, BREAKERS, BUDGETS, EXPERIMENT, REPORT, MemoryDesk, desk_served
from tests.integration.test_catalog_service import in_thread
from tests.integration.test_identity import bearer
from tests.integration.test_tls import on_loop
from tests.serving import refusal

_SERVICE = "/fingerpost.v1.AdminService/"
_METHODS = [method.name for method in pb.DESCRIPTOR.services_by_name["AdminService"].methods]


@pytest.fixture
def access(tmp_path: Path) -> Path:
    return tmp_path / "access.yaml"


def token_of(access: Path, role: str, name: str = "") -> str:
    return str(add_token(access, name or f"a-{role}", [role], "", None, None).token)


# --- What is told ---------------------------------------------------------------------------------------------------


@on_loop
async def test_what_is_told_is_what_the_desk_says(tmp_path: Path, access: Path) -> None:
    """Budgets, breakers, experiments and their report are the same through a server as on the folder, and whole."""
    desk = MemoryDesk()
    here = LocalControls(desk)
    reader = token_of(access, "reader")
    async with desk_served(desk, tmp_path, access) as address:
        with ControlClient(address, token=reader) as there:
            budgets = await in_thread(there.budgets)
            assert budgets == here.budgets()
            assert await in_thread(there.breakers, "default") == here.breakers("default")
            experiments = await in_thread(there.experiments)
            assert experiments == here.experiments()
            report = await in_thread(there.report, EXPERIMENT.name)
            assert report == here.report(EXPERIMENT.name)
    [monthly, team] = budgets
    assert (monthly.of, monthly.per, monthly.when_spent, monthly.accounts) == ("catalog", "month", "downgrade", ())
    assert [(one.holder, one.limit_usd_micros) for one in monthly.limits_by_hand] == [("", 400_000_000)]
    assert (team.only, [one.holder for one in team.accounts]) == (("acme", "bolt"), ["acme", "bolt"])
    assert (team.accounts[0].used_usd_micros, team.accounts[0].hard) == (ACCOUNT.used_usd_micros, True)
    [coder] = [one for one in here.breakers() if one.model == "coder"]
    assert (coder.position, coder.cause, coder.seconds_left, coder.ejections) == ("open", "rate_limited", 12.5, 2)
    assert [one.seconds_left for one in here.breakers()] == [one.seconds_left for one in BREAKERS]
    assert [one.experiment.share for one in experiments] == [12.5, 100.0]
    assert experiments[1].arms[1].fallback_share is None
    assert as_report(report, "default") == REPORT, "nothing is lost on the way to the tables and plots"


@on_loop
async def test_many_accounts_come_page_by_page(tmp_path: Path, access: Path) -> None:
    """More accounts than a page holds, of several budgets; each comes once, in order, with its budget."""
    many = tuple(
        replace(ACCOUNT, account=number, key=replace(ACCOUNT.key, budget=budget, holder=f"t{number:04}"))
        for budget, count in (("monthly", 700), ("team", 1_645))
        for number in range(count)
    )
    states = tuple(
        BudgetState("default", state.budget, (), tuple(one for one in many if one.key.budget == state.budget.name))
        for state in BUDGETS
    )
    desk = MemoryDesk(states)
    reader = token_of(access, "reader")
    async with desk_served(desk, tmp_path, access) as address, grpc.aio.insecure_channel(address) as channel:
        with ControlClient(address, token=reader) as client:
            assert await in_thread(client.budgets) == LocalControls(desk).budgets()
        stub: Any = AdminServiceStub(channel)
        sizes, token = [], ""
        while True:
            request = pb.ListBudgetsRequest(page_size=1_000, page_token=token)
            reply = await stub.ListBudgets(request, metadata=bearer(reader), timeout=10)
            sizes.append((len(reply.budgets), len(reply.accounts)))
            token = reply.next_page_token
            if not token:
                break
        assert sizes == [(2, 1_000), (2, 1_000), (2, 345)]
        assert len((await stub.ListBudgets(pb.ListBudgetsRequest(), metadata=bearer(reader))).accounts) == 100


# --- What is changed ------------------------------------------------------------------------------------------------


@on_loop
async def test_each_change_reaches_the_desk_once_in_the_callers_name(tmp_path: Path, access: Path) -> None:
    """With what was asked, and nothing more; each gives its entry in the audit."""
    desk = MemoryDesk()
    token = token_of(access, "operator", "olga")

    def changes(olga: ControlClient) -> list[Any]:
        return [
            olga.set_budget("team", 12_500_000, "acme"),
            olga.reset_budget("team"),
            olga.clear_budget("team", "acme"),
            olga.set_breaker("coder", open=True, seconds=600),
            olga.set_breaker("coder", open=False),
            olga.reset_breaker("coder"),
            olga.set_experiment("smaller-coder", running=False),
            olga.set_experiment("smaller-coder", running=True),
            olga.set_experiment("smaller-coder", weights={"control": 99.5, "small": 0.5}),
            olga.reset_experiment("smaller-coder"),
        ]

    async with desk_served(desk, tmp_path, access) as address:
        with ControlClient(address, token=token) as client:
            given = await in_thread(changes, client)
    assert desk.done == [
        ("olga", "set", "budget", "team", "acme", 12_500_000),
        ("olga", "reset", "budget", "team", ""),
        ("olga", "reset", "account", "team", "acme"),
        ("olga", "set", "breaker", "coder", True, 600),
        ("olga", "set", "breaker", "coder", False, None),
        ("olga", "reset", "breaker", "coder"),
        ("olga", "set", "experiment", "smaller-coder", False, {}),
        ("olga", "set", "experiment", "smaller-coder", True, {}),
        ("olga", "set", "experiment", "smaller-coder", None, {"control": 99.5, "small": 0.5}),
        ("olga", "reset", "experiment", "smaller-coder"),
    ]
    cleared = given.pop(2)
    assert (cleared.count, [one.holder for one in cleared.accounts]) == (1, ["acme"])
    assert [entry.sequence for entry in given] == [1, 2, 4, 5, 6, 7, 8, 9, 10]
    assert {entry.actor for entry in given} == {"olga"}
    assert given[0].action == "set"
    assert given[0].details == {"kind": "budget", "name": "team"}


@on_loop
async def test_a_repeat_has_one_effect(tmp_path: Path, access: Path) -> None:
    """The same key of the same caller and method is one change; of another caller or method it is another."""
    desk = MemoryDesk()
    ann, bob = token_of(access, "operator", "ann"), token_of(access, "operator", "bob")
    async with desk_served(desk, tmp_path, access) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = AdminServiceStub(channel)
        request = pb.SetBudgetRequest(name="team", limit_usd_micros=5, idempotency_key="k")
        first = await stub.SetBudget(request, metadata=bearer(ann), timeout=10)
        again = await stub.SetBudget(request, metadata=bearer(ann), timeout=10)
        assert first.entry == again.entry
        await stub.SetBudget(request, metadata=bearer(bob), timeout=10)
        await stub.ResetBudget(
            pb.ResetBudgetRequest(name="team", idempotency_key="k"), metadata=bearer(ann), timeout=10
        )
        unnamed = pb.ResetBudgetRequest(name="team")
        for _ in range(2):
            await stub.ResetBudget(unnamed, metadata=bearer(ann), timeout=10)
    assert [one[:2] for one in desk.done] == [
        ("ann", "set"),
        ("bob", "set"),
        ("ann", "reset"),
        ("ann", "reset"),
        ("ann", "reset"),
    ]


@on_loop
async def test_a_change_is_repeated_while_it_is_not_known_whether_it_was_made(tmp_path: Path, access: Path) -> None:
    """A desk that is away for a moment is asked again with the same key; one that stays away is told."""

    class Away(MemoryDesk):
        times = 0

        def _change(self, *given: Any) -> Any:
            self.times += 1
            done = super()._change(*given)
            if self.times < 3:
                raise Unavailable("away after it was done", ErrorReason.STORE_UNAVAILABLE)
            return done

    desk = Away()
    token = token_of(access, "operator")
    async with desk_served(desk, tmp_path, access) as address:
        with ControlClient(address, token=token) as client:
            entry = await in_thread(client.reset_breaker, "coder")
            desk.times = -1_000
            with pytest.raises(Unavailable):
                await in_thread(client.reset_breaker, "coder")
    assert (entry.sequence, desk.times) == (1, -997)
    assert len(desk.done) == 2


@on_loop
async def test_more_accounts_than_a_reply_shows_are_counted(tmp_path: Path, access: Path) -> None:
    """All are cleared; the first thousand are shown."""
    desk = MemoryDesk(cleared=[ACCOUNT] * 1_234)
    token = token_of(access, "operator")
    async with desk_served(desk, tmp_path, access) as address:
        with ControlClient(address, token=token) as client:
            cleared = await in_thread(client.clear_budget, "team")
    assert (cleared.count, len(cleared.accounts)) == (1_234, 1_000)
    assert cleared == LocalControls(desk).clear_budget("team")


# --- Who may ---------------------------------------------------------------------------------------------------------


@on_loop
async def test_every_role_may_call_exactly_what_the_table_says(tmp_path: Path, access: Path) -> None:
    """Each method with a token of each role, and with none; only operators change anything, and callers see nothing."""
    tokens = {role: token_of(access, role.value) for role in AccessRole}
    assert [name.removeprefix(_SERVICE) for name in NEEDED if name.startswith(_SERVICE)] == _METHODS
    async with desk_served(MemoryDesk(), tmp_path, access) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = AdminServiceStub(channel)
        for method in _METHODS:
            needed = NEEDED[f"{_SERVICE}{method}"]
            looks = method.startswith(("List", "Report"))
            assert needed == (set(AccessRole) - {AccessRole.CALLER} if looks else {AccessRole.OPERATOR})
            request = getattr(pb, f"{method}Request")()
            for role, token in tokens.items():
                try:
                    await getattr(stub, method)(request, metadata=bearer(token), timeout=10)
                    code = "OK"
                except grpc.aio.AioRpcError as error:
                    code = error.code().name
                assert (code == "PERMISSION_DENIED") == (role not in needed), (method, role)
                assert code in {"OK", "PERMISSION_DENIED", "INVALID_ARGUMENT"}
            assert (await refusal(getattr(stub, method)(request, timeout=10))).code.name == "UNAUTHENTICATED"
        with ControlClient(address) as nobody, pytest.raises(Unauthenticated):
            await in_thread(nobody.budgets)
        with ControlClient(address, token=tokens[AccessRole.READER]) as reader, pytest.raises(PermissionDenied):
            await in_thread(reader.clear_budget, "team")


# --- What is wrong ----------------------------------------------------------------------------------------------------

_LONG = "n" * 129


_RIGHT: dict[str, dict[str, Any]] = {
    "SetBudget": {"limit_usd_micros": 1},
    "SetBreaker": {"position": pb.BREAKER_POSITION_OPEN},
    "SetExperiment": {"running": True},
}
"""What changes need beside a name."""


def wrong_names() -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Method, fields, and the fields that a refusal names: of what all methods have alike."""
    for method in _METHODS:
        if method.startswith("List"):
            yield method, {"catalog": "../x"}, ["catalog"]
            continue
        named, right = "model" if "Breaker" in method else "name", _RIGHT.get(method, {})
        yield method, {"catalog": "../x", named: "team", **right}, ["catalog"]
        for name in ("", _LONG, "a\nb", "a\0b"):
            yield method, {named: name, **right}, [named]
        for key in () if method.startswith("Report") else ("k" * 129, "a\nb"):
            yield method, {named: "team", "idempotency_key": key, **right}, ["idempotency_key"]


def wrong_values() -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Likewise of what one method has."""
    for method in ("SetBudget", "ResetBudget", "ClearBudget"):
        for holder in ("é" * 65, "a\0b"):
            yield method, {"name": "team", "holder": holder, **_RIGHT.get(method, {})}, ["holder"]
    for number in (0, -1, 10**15 + 1, 2**63 - 1, -(2**63)):
        yield "SetBudget", {"name": "team", "limit_usd_micros": number}, ["limit_usd_micros"]
    yield "SetBudget", {"holder": "é" * 65}, ["name", "holder", "limit_usd_micros"]
    for position in (0, pb.BREAKER_POSITION_HALF_OPEN, 99, -1):
        yield "SetBreaker", {"model": "coder", "position": position}, ["position"]
    for seconds in (0, -1, 31_536_001, 2**63 - 1):
        yield "SetBreaker", {"model": "coder", **_RIGHT["SetBreaker"], "seconds": seconds}, ["seconds"]
    yield "SetBreaker", {"seconds": 0}, ["model", "position", "seconds"]
    yield "SetExperiment", {"name": "x"}, ["running"]
    for weight in (-0.001, 100.001, float("nan"), float("inf"), -float("inf")):
        yield "SetExperiment", {"name": "x", "weights": {"a": 50.0, "b": weight}}, ["weights"]
    yield "SetExperiment", {"name": "x", "weights": {str(n): 1.0 for n in range(65)}}, ["weights"]
    for size in (-1, 1_001):
        yield "ListBudgets", {"page_size": size}, ["page_size"]
    for token in ("-1", "one", "9" * 12, "١"):
        yield "ListBudgets", {"page_token": token}, ["page_token"]


@on_loop
async def test_wrong_input_never_reaches_the_desk(tmp_path: Path, access: Path) -> None:
    """Each wrong field is refused by name, all of a request at once."""
    desk = MemoryDesk(broken=AssertionError("asked"))
    operator = bearer(token_of(access, "operator"))
    async with desk_served(desk, tmp_path, access) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = AdminServiceStub(channel)
        for method, fields, named in (*wrong_names(), *wrong_values()):
            request = getattr(pb, f"{method}Request")(**fields)
            answer = await refusal(getattr(stub, method)(request, metadata=operator, timeout=10))
            got = (answer.code.name, answer.reason, answer.fields, answer.infos)
            assert got == ("INVALID_ARGUMENT", "INVALID_FIELD", named, 1), (method, fields)
        for method in _METHODS:
            call: Any = channel.unary_unary(f"{_SERVICE}{method}")
            answer = await refusal(call(b"\x0a\x05ab", metadata=operator, timeout=10))
            assert (answer.code.name, answer.reason) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST"), method


@on_loop
async def test_what_the_desk_refuses_has_its_code(tmp_path: Path, access: Path) -> None:
    """The desk's errors by every method, never UNKNOWN; no path leaves the server, and nothing of a fault of ours."""
    raised: list[tuple[Exception, str, str]] = [
        (NotFound("no such budget", ErrorReason.BUDGET_NOT_FOUND), "NOT_FOUND", "BUDGET_NOT_FOUND"),
        (FailedPrecondition("ask a server", ErrorReason.SERVER_REQUIRED), "FAILED_PRECONDITION", "SERVER_REQUIRED"),
        (Unavailable("away", ErrorReason.STORE_UNAVAILABLE), "UNAVAILABLE", "STORE_UNAVAILABLE"),
        (DataLoss(f"{tmp_path}/ledger.sqlite is damaged", ErrorReason.STORE_CORRUPT), "DATA_LOSS", "STORE_CORRUPT"),
        (RuntimeError("secret-canary"), "INTERNAL", "INTERNAL"),
        (OSError(5, "secret-canary"), "INTERNAL", "INTERNAL"),
    ]
    desk = MemoryDesk()
    operator = bearer(token_of(access, "operator"))
    async with desk_served(desk, tmp_path, access) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = AdminServiceStub(channel)
        for method in _METHODS:
            named = {} if method.startswith("List") else {"model" if "Breaker" in method else "name": "team"}
            request = getattr(pb, f"{method}Request")(**named, **_RIGHT.get(method, {}))
            for error, code, reason in raised:
                desk.broken = error
                answer = await refusal(getattr(stub, method)(request, metadata=operator, timeout=10))
                assert (answer.code.name, answer.reason) == (code, reason), method
                assert str(tmp_path) not in str(answer)
                assert "canary" not in str(answer)
            desk.broken = None
            assert answer.infos == 1
        answer = await refusal(stub.ListBreakers(pb.ListBreakersRequest(catalog="team"), metadata=operator, timeout=10))
        assert (answer.code.name, answer.reason) == ("NOT_FOUND", "CATALOG_NOT_FOUND")


@on_loop
async def test_a_desk_that_waits_keeps_nobody_else_waiting(tmp_path: Path, access: Path) -> None:
    """While one call waits for the desk, another is answered."""
    waiting, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow(MemoryDesk):
        def breakers(self, catalog: str) -> Any:
            loop.call_soon_threadsafe(waiting.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(20)
            return super().breakers(catalog)

    reader = bearer(token_of(access, "reader"))
    async with desk_served(Slow(), tmp_path, access) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = AdminServiceStub(channel)
        slow = asyncio.ensure_future(stub.ListBreakers(pb.ListBreakersRequest(), metadata=reader, timeout=30))
        await asyncio.wait_for(waiting.wait(), 20)
        assert (await stub.ListBudgets(pb.ListBudgetsRequest(), metadata=reader, timeout=20)).budgets
        assert not slow.done()
        go_on.set()
        assert len((await slow).breakers) == len(BREAKERS)
