"""Reports over real calls and a real ledger: repeated, contradictory, unknown, late, another's, and far too many."""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fingerpost.access.editing import add_token
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.key_file import key_in
from fingerpost.serve.decision_id import Claims, DecisionIds, name_hash, new_key
from fingerpost.types import BudgetOf, Debit
from fingerpost.v1 import outcome_service_pb2 as outcome_pb
from tests.integration.test_budget_calls import settings, stands
from tests.integration.test_tls import on_loop
from tests.ledgers import Store
from tests.money import COST, budget, spending
from tests.outcomes import Caller, rows_of, sorted_out, standings
from tests.serving import Served, refusal, serving


@pytest.mark.fault("X12")
@on_loop
async def test_the_first_report_of_a_caller_stands(store: Store, tmp_path: Path) -> None:
    """Repeated and contradicted, by two callers in parallel: a row of each, the first one's cost, once."""
    access = tmp_path / "access.yaml"
    tokens = [add_token(access, name, ["caller"], "", None, None).token for name in ("shop", "gateway")]
    async with serving(spending(budget()), access=str(access), **settings(store)) as served:
        shop, gateway = (Caller(served.channel, token) for token in tokens)
        decision = await shop.ask()
        first = await shop.tell(decision, cost_usd_micros=100)
        assert (first.repeated, first.cost_usd_micros) == (False, 100)
        costs = [0, 100, 5_000, 1_000_000_000_000]
        again = await asyncio.gather(
            *(shop.tell(decision, "SERVER_ERROR", cost_usd_micros=cost, label="other") for cost in costs),
            *(gateway.tell(decision, cost_usd_micros=cost) for cost in costs),
        )
        assert all(one.repeated for one in again[:4])
        assert {one.cost_usd_micros for one in again[:4]} == {100}
        assert {(one.kept.status, one.kept.label) for one in again[:4]} == {(outcome_pb.CALL_STATUS_OK, "")}
        assert sorted(one.repeated for one in again[4:]) == [False, True, True, True]
        assert len({one.cost_usd_micros for one in again[4:]}) == 1, "all are told what stands"
        await stands(store.data, 100, 0)
    assert {(row.caller, row.cost_usd_micros == 100) for row in rows_of(store.data)} >= {("shop", True)}
    assert len(rows_of(store.data)) == 2


@pytest.mark.fault("X12")
@on_loop
async def test_a_report_without_a_cost_leaves_it_to_another(store: Store, tmp_path: Path) -> None:
    """Whoever knows nothing of the cost settles nothing; who does later, does; nothing is settled a second time."""
    access = tmp_path / "access.yaml"
    tokens = [add_token(access, name, ["caller"], "", None, None).token for name in ("app", "biller", "auditor")]
    async with serving(spending(budget()), access=str(access), **settings(store)) as served:
        app, biller, auditor = (Caller(served.channel, token) for token in tokens)
        decision = await app.ask()
        told = await app.tell(decision, verdict=outcome_pb.VERDICT_GOOD_FIT)
        assert (told.cost_usd_micros, told.cost_source) == (COST, outcome_pb.COST_SOURCE_RESERVED)
        await stands(store.data, 0, COST)
        await biller.tell(decision, input_tokens=100, output_tokens=20)
        await stands(store.data, 140, 0)
        await auditor.tell(decision, cost_usd_micros=7)
        await stands(store.data, 140, 0)


@pytest.mark.fault("X12")
@on_loop
async def test_reports_of_what_was_never_decided_here(tmp_path: Path) -> None:
    """Made up, changed, of another server or for another tenant: NOT_FOUND, and the ledger hears nothing of it."""
    async with serving(spending(budget()), data=tmp_path) as served:
        caller = Caller(served.channel)
        decision = await caller.ask(tenant="acme")
        id_ = decision.decision_id
        forged = id_[:-1] + ("0" if id_[-1] != "0" else "1")
        dearer = id_.replace(f"{COST:010x}", f"{COST + 1:010x}")
        assert dearer != id_
        foreign = DecisionIds(b"another server's secret of 32 by").name(claims(), "acme")
        for wrong in (forged, dearer, foreign, "0" * len(id_)):
            answer = await refusal(caller.telling(wrong, tenant="acme"))
            assert (answer.code.name, answer.reason) == ("NOT_FOUND", "DECISION_UNKNOWN"), wrong
        for tenant in ("", "bolt", "acme "):
            answer = await refusal(caller.telling(decision, tenant=tenant))
            assert (answer.code.name, answer.reason) == ("NOT_FOUND", "DECISION_UNKNOWN"), tenant
        unknown = DecisionIds(key_in(tmp_path / "decisions.key")).name(
            replace(claims(), catalog=name_hash("another")), "acme"
        )
        assert (await refusal(caller.telling(unknown, tenant="acme"))).reason == "DECISION_UNKNOWN"
        assert not rows_of(DataFolder(tmp_path))
        assert not (await caller.tell(decision, tenant="acme")).repeated


def claims(age_s: float = 0.0, debits: tuple[Debit, ...] = ()) -> Claims:
    """Of a decision that was made so long ago."""
    return Claims(new_key(), int(time.time() - age_s), name_hash("default"), name_hash("code"), debits=debits)


@pytest.mark.fault("X12")
@on_loop
async def test_late_reports(tmp_path: Path) -> None:
    """Just within the window a report is taken; after it FAILED_PRECONDITION, and what was reserved stays the cost."""
    data = DataFolder(tmp_path)
    async with serving(spending(budget()), data=tmp_path, report_window_s=3_600) as served:
        caller = Caller(served.channel)
        await caller.ask()
        await stands(data, 0, COST)
        [account] = [one.account for one in standings(data)]
        ids = DecisionIds(key_in(data.decision_key))
        late = ids.name(claims(3_700, (Debit(account, COST),)), "")
        answer = await refusal(caller.telling(late, cost_usd_micros=0))
        assert (answer.code.name, answer.reason) == ("FAILED_PRECONDITION", "REPORT_LATE")
        assert "FINGERPOST_REPORT_WINDOW_S" in answer.message
        await stands(data, 0, COST)
        in_time = ids.name(claims(3_400, (Debit(account, COST),)), "")
        assert not (await caller.tell(in_time, cost_usd_micros=1)).repeated
        await stands(data, 1, 0)
        ahead = ids.name(claims(-3_600), "")  # by a server whose clock was an hour ahead, or before ours was set back
        assert not (await caller.tell(ahead)).repeated
        never = ids.name(claims(-200_000), "")
        assert (await refusal(caller.telling(never))).reason == "DECISION_UNKNOWN"


_FLOOD = 5_000


@pytest.mark.fault("X12")
@on_loop
async def test_a_flood_of_reports(store: Store) -> None:
    """5,000 at once: each is kept or refused; what was told to be kept is there, and nothing else."""
    async with serving(spending(budget()), **settings(store, in_flight_calls=1_000)) as served:
        caller = Caller(served.channel)
        ids = DecisionIds(signing_key(served))
        decisions = [ids.name(claims(), "") for _ in range(_FLOOD)]
        ended = await asyncio.gather(*(caller.telling(one) for one in decisions), return_exceptions=True)
        kept, refused = sorted_out(ended)
        # What it cannot even look at the library cancels (record 14): clients repeat that by themselves.
        assert {one.code.name for one in refused} <= {"RESOURCE_EXHAUSTED", "CANCELLED"}
        assert len(kept) + len(refused) == _FLOOD
        assert len(kept) >= 1_000
        acknowledged = {one.kept.decision_id for one in kept}
        assert {row.report.decision_id for row in rows_of(store.data)} == acknowledged
        assert not any(one.repeated for one in kept)

        results = [one for at in range(0, _FLOOD, 250) for one in await caller.tell_batch(decisions[at : at + 250])]
        assert Counter(one.response.repeated for one in results)[True] == len(kept)
    assert len(rows_of(store.data)) == _FLOOD


def signing_key(served: Served) -> bytes:
    """What the server signs with: on PostgreSQL it is that of all servers, as soon as it has come."""
    accounting: Any = served.server.beside
    key: bytes = accounting.ids.key
    return key


@pytest.mark.fault("X13")
@on_loop
async def test_one_tenant_s_reports_change_nothing_for_others(tmp_path: Path) -> None:
    """Verdicts, scores and labels without end move no decision: nothing learns from reports. Failures open breakers."""
    shown = spending(budget("each", of=BudgetOf.TENANT))
    async with serving(shown, data=tmp_path) as served:
        caller = Caller(served.channel)
        before = await caller.ask(tenant="acme")
        ids = DecisionIds(key_in(tmp_path / "decisions.key"))
        poison: dict[str, Any] = {"verdict": outcome_pb.VERDICT_FAILED, "score": 0.0, "label": "maths"}
        for _ in range(8):
            results = await caller.tell_batch([ids.name(claims(), "") for _ in range(250)], **poison)
            assert all(one.HasField("response") for one in results)
        after = await caller.ask(tenant="acme")
        for reply in (before, after):
            for own in ("decision_id", "timing", "request_id", "cached"):
                reply.ClearField(own)
        assert before == after
