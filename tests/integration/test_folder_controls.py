"""Budgets, breakers and experiments of a real data folder: each change is in the audit, once, and servers see it."""

import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fingerpost.backends.overrides_file import OverridesFile
from fingerpost.bootstrap.controls import GUARDRAIL, FolderControls
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.build.reindex import reindex
from fingerpost.errors import ErrorReason, FailedPrecondition, FingerpostError, InvalidRequest, NotFound
from fingerpost.release.audit import verified
from fingerpost.serve.by_hand import by_hand_of
from fingerpost.serve.guards import BreakerByHand, ByHand
from fingerpost.serve.lab import SetByHand
from fingerpost.serve.spending import Spending
from fingerpost.types import (
    Action,
    AuditEntry,
    Author,
    BreakerPosition,
    BreakerState,
    ExperimentState,
    Override,
    Standing,
)
from tests.fakes import MemoryCache
from tests.integration.test_tls import on_loop
from tests.ledgers import SqliteStore, sqlite_store
from tests.processes import fingerpost
from tests.route_folders import write_folder
from tests.spending import Payer
from tests.workshops import workshop

_keys = (f"key-{number}" for number in itertools.count())

PRICES = {"input_price_usd_micros": 1_000_000, "output_price_usd_micros": 2_000_000}
BUDGETS = [
    {"name": "monthly", "of": "catalog", "per": "month", "limit": 500, "when_spent": "downgrade"},
    {
        "name": "a/b",
        "of": "tenant",
        "per": "month",
        "limit": 1,
        "when_spent": "refuse",
        "hard": True,
        "only": ["acme", "b/c"],
    },
    {"name": "routes", "of": "route", "per": "month", "limit": 1, "when_spent": "alert"},
    {"name": "models", "of": "model", "per": "month", "limit": 1, "when_spent": "cheapest", "hard": True},
]
TRIAL = {
    "name": "tr/al",
    "route": "code",
    "unit": "session",
    "arms": [{"name": "control", "weight": 80}, {"name": "sm/ll", "weight": 20, "model": "strong"}],
}


def author(key: str = "") -> Author:
    return Author("os:ann", key or next(_keys))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that serves a revision with budgets and an experiment."""
    folder = tmp_path_factory.mktemp("controls")
    policy = {"fallback_model": "strong", "budgets": BUDGETS, "experiments": [TRIAL]}
    files = {
        f"{route}.yaml": json.dumps({"model": "coder", "utterances": [f"{route} {word}" for word in ("a", "b", "c")]})
        for route in ("code", "maths")
    }
    models = {"models": [{"name": name, **PRICES} for name in ("coder", "strong")]}
    files |= {"_models.yaml": json.dumps(models), "_policy.yaml": json.dumps(policy)}
    reindex(write_folder(folder / "routes", files), "default", workshop(folder / "data", MemoryCache()))
    return folder / "data"


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Iterator[SqliteStore]:
    shutil.copytree(template, tmp_path / "data")
    with sqlite_store(tmp_path / "data") as store:
        yield store


@pytest.fixture
def controls(store: SqliteStore) -> FolderControls:
    return FolderControls(store.data)


def by_hand(data: DataFolder) -> ByHand:
    """What a server that follows the file does."""
    return by_hand_of(OverridesFile(data.overrides).read()).get("default", ByHand())


def audited(store: SqliteStore) -> list[AuditEntry]:
    """What was changed since the revision was activated; the chain is whole, and the file says what the ledger does."""
    ledger = store.ledger()
    entries, head = ledger.audit()
    verified(entries, head, head.hash)
    assert [*OverridesFile(store.data.overrides).read()] == [*ledger.overrides()]
    return [one for one in entries if one.event.action is not Action.ACTIVATE]


# --- Budgets --------------------------------------------------------------------------------------------------------


def test_a_limit_that_is_set_and_reset(store: SqliteStore, controls: FolderControls) -> None:
    """For all, and for one holder; each step is on record with what was before, and servers follow it."""
    first = controls.set_budget(author(), "default", "monthly", "", 7)
    controls.set_budget(author(), "default", "monthly", "", 8)
    controls.set_budget(author(), "default", "a/b", "b/c", 9)
    assert by_hand(store.data).limits == {("monthly", ""): 8, ("a/b", "b/c"): 9}
    states = {state.budget.name: state.limits_by_hand for state in controls.budgets("default")}
    assert states == {"monthly": (("", 8),), "a/b": (("b/c", 9),), "routes": (), "models": ()}
    controls.reset_budget(author(), "default", "monthly", "")
    controls.reset_budget(author(), "default", "a/b", "acme")
    assert by_hand(store.data).limits == {("a/b", "b/c"): 9}, "another holder's stays"
    entries = audited(store)
    assert entries[0] == first
    assert (first.event.actor, first.event.catalog) == ("os:ann", "default")
    assert [(one.event.action, dict(one.event.details)) for one in entries] == [
        (Action.SET, _details("monthly", "", limit="7")),
        (Action.SET, {**_details("monthly", "", limit="8"), **_before("monthly", "", limit="7")}),
        (Action.SET, _details("a/b", "b/c", limit="9")),
        (Action.RESET, _details("monthly", "")),
        (Action.RESET, _details("a/b", "acme")),
    ]


def _details(budget: str, holder: str, limit: str = "") -> dict[str, str]:
    return {"kind": "budget", "budget": budget, "holder": holder, **({"limit_usd_micros": limit} if limit else {})}


def _before(budget: str, holder: str, limit: str) -> dict[str, str]:
    return {"before_budget": budget, "before_holder": holder, "before_limit_usd_micros": limit}


@on_loop
async def test_spent_budgets_are_cleared(tmp_path_factory: pytest.TempPathFactory, template: Path) -> None:
    """What was spent counts no more, for one holder or all; what processes have at hand stays theirs."""
    root = tmp_path_factory.mktemp("cleared") / "data"
    shutil.copytree(template, root)
    with sqlite_store(root) as store:
        controls = FolderControls(store.data)
        payer = _payer(store, controls)
        for tenant in ("acme", "b/c"):
            for _ in range(100):
                await payer.pay(9_000, tenant=tenant)
        await payer.spending.round()
        used = {one.key.holder: one.used_usd_micros for one in _accounts(controls, "a/b")}
        assert used == {"acme": 900_000, "b/c": 900_000}
        [cleared] = controls.clear_budget(author("clear"), "default", "a/b", "acme")
        assert (cleared.key.holder, cleared.limit_usd_micros) == ("acme", 1_000_000)
        assert cleared.used_usd_micros < 100_000, "but for what a slice in use has spent of itself"
        assert {one.key.holder: one.cleared_usd_micros > 0 for one in _accounts(controls, "a/b")} == {
            "acme": True,
            "b/c": False,
        }
        again = controls.clear_budget(author("clear"), "default", "a/b", "acme")
        assert again == [cleared], "a repeat clears nothing more"
        assert len(controls.clear_budget(author(), "default", "a/b", "")) == 2
        entries = audited(store)
        assert [one.event.action for one in entries] == [Action.RESET] * 2
        assert [one.event.details["cleared"] for one in entries] == ["1", "2"]
        await payer.spending.round()
        for _ in range(80):
            await payer.pay(9_000)
        await payer.spending.close()


def _payer(store: SqliteStore, controls: FolderControls) -> Payer:
    """A process with the tenants' budget, on the real clock, as the ledger is."""
    [budget] = [state.budget for state in controls.budgets("default") if state.budget.name == "a/b"]
    payer = Payer(store.treasury(), budget)
    payer.spending = Spending(store.treasury())
    return payer


def _accounts(controls: FolderControls, budget: str) -> tuple[Standing, ...]:
    return next(state.accounts for state in controls.budgets("default") if state.budget.name == budget)


# --- Breakers -------------------------------------------------------------------------------------------------------


def test_a_breaker_that_is_set_and_reset(store: SqliteStore, controls: FolderControls) -> None:
    """For ever, for a time, and closed; servers are told who it was and until when."""
    controls.set_breaker(author(), "default", "coder", open=True, seconds=None)
    before = time.time()
    controls.set_breaker(author(), "default", "strong", open=False, seconds=60)
    after = time.time()
    set_ = by_hand(store.data).breakers
    assert set_["coder"] == BreakerByHand(BreakerPosition.OPEN, None, "os:ann")
    assert (set_["strong"].position, set_["strong"].who) == (BreakerPosition.CLOSED, "os:ann")
    assert set_["strong"].until_s is not None
    assert before + 60 <= set_["strong"].until_s <= after + 60
    controls.reset_breaker(author(), "default", "coder")
    assert set(by_hand(store.data).breakers) == {"strong"}
    assert [one.event.action for one in audited(store)] == [Action.SET, Action.SET, Action.RESET]


def test_breakers_are_a_servers(controls: FolderControls) -> None:
    """Without one nobody knows how they stand; with one it is asked, and so it is of experiments."""
    with pytest.raises(FailedPrecondition) as raised:
        controls.breakers("default")
    assert raised.value.reason == ErrorReason.SERVER_REQUIRED
    state = BreakerState("default", "coder", BreakerPosition.CLOSED, "", None, 0, 0, 0, "")
    [shown] = controls.experiments("default")

    class Living:
        def breakers(self, catalog: str) -> list[BreakerState]:
            return [replace(state, catalog=catalog)]

        def experiments(self, catalog: str) -> list[ExperimentState]:
            return [replace(shown, stopped=f"as a server of {catalog} says")]

    asked = replace(controls, live=Living())
    assert asked.breakers("default") == [state]
    assert asked.experiments("default") == [replace(shown, stopped="as a server of default says")]


# --- Experiments ----------------------------------------------------------------------------------------------------


def test_an_experiment_that_is_stopped_weighted_and_reset(store: SqliteStore, controls: FolderControls) -> None:
    """What is not told stays as it was set; a reset takes all of it back, stopped arms among it."""
    weights = {"control": 50.0, "sm/ll": 50.0}
    controls.set_experiment(author(), "default", "tr/al", running=None, weights=weights)
    controls.set_experiment(author(), "default", "tr/al", running=False, weights={})
    controls.stop_arm("default", "tr/al", "sm/ll", "too dear", next(_keys))
    assert by_hand(store.data).experiments == {"tr/al": SetByHand(False, weights, {"sm/ll": "too dear"})}
    [state] = controls.experiments("default")
    assert state.stopped == "stopped by hand"
    assert [(arm.arm.name, arm.weight, arm.stopped) for arm in state.arms] == [
        ("control", 50.0, ""),
        ("sm/ll", 50.0, "too dear"),
    ]
    controls.set_experiment(author(), "default", "tr/al", running=True, weights={})
    assert by_hand(store.data).experiments == {"tr/al": SetByHand(True, weights, {"sm/ll": "too dear"})}
    controls.reset_experiment(author(), "default", "tr/al")
    assert by_hand(store.data).experiments == {}
    [state] = controls.experiments("default")
    assert (state.stopped, [arm.weight for arm in state.arms]) == ("", [80.0, 20.0])
    actions = [one.event.action for one in audited(store)]
    assert actions == [Action.SET, Action.SET, Action.STOP_ARM, Action.SET, Action.RESET]


def test_a_folder_counts_nothing_and_says_so(store: SqliteStore) -> None:
    """Decisions are counted by servers: a table of noughts would look as if nobody had been split."""
    assert "--target asks one" in fingerpost("experiment", "show", "tr/al", "--data", store.root).stdout


def test_what_was_set_of_what_is_gone_can_be_reset(
    store: SqliteStore, controls: FolderControls, tmp_path: Path
) -> None:
    """It would hold again as soon as a policy has the name. After that the name is not known, but the key still is."""
    controls.set_budget(author(), "default", "routes", "maths", 7)
    controls.set_breaker(author(), "default", "strong", open=True, seconds=None)
    controls.set_experiment(author(), "default", "tr/al", running=False, weights={})
    controls.stop_arm("default", "tr/al", "sm/ll", "too dear", next(_keys))
    files = {
        "code.yaml": json.dumps({"model": "coder", "utterances": ["code a", "code b", "code c"]}),
        "_models.yaml": json.dumps({"models": [{"name": "coder", **PRICES}]}),
        "_policy.yaml": json.dumps({"fallback_model": "coder"}),
    }
    reindex(write_folder(tmp_path / "routes", files), "default", workshop(store.root, MemoryCache()))
    resets: list[Callable[[Author], AuditEntry]] = [
        lambda by: controls.reset_budget(by, "default", "routes", "maths"),
        lambda by: controls.reset_breaker(by, "default", "strong"),
        lambda by: controls.reset_experiment(by, "default", "tr/al"),
    ]
    keys = [author() for _ in resets]
    done = [reset(by) for reset, by in zip(resets, keys, strict=True)]
    assert by_hand(store.data) == ByHand()
    assert [reset(by) for reset, by in zip(resets, keys, strict=True)] == done
    for reset in resets:
        with pytest.raises(NotFound):
            reset(author())


def test_a_guardrail_stops_an_arm(store: SqliteStore, controls: FolderControls) -> None:
    """In its own name, with why; told twice with the same key it is on record once."""
    for why in ("too dear", "later, and other words"):
        entry = controls.stop_arm("default", "tr/al", "sm/ll", why, "the same key")
    assert (entry.event.actor, entry.event.details["stopped"]) == (GUARDRAIL, "too dear")
    assert by_hand(store.data).experiments["tr/al"].stopped == {"sm/ll": "too dear"}
    assert len(audited(store)) == 1


# --- Wrong names, and the same again --------------------------------------------------------------------------------

_Call = Callable[[FolderControls], object]

_WRONG: dict[str, tuple[_Call, type[FingerpostError], str]] = {
    "budget": (lambda c: c.set_budget(author(), "default", "weekly", "", 5), NotFound, ErrorReason.BUDGET_NOT_FOUND),
    "reset of a budget": (
        lambda c: c.reset_budget(author(), "default", "weekly", ""),
        NotFound,
        ErrorReason.BUDGET_NOT_FOUND,
    ),
    "cleared budget": (
        lambda c: c.clear_budget(author(), "default", "weekly", ""),
        NotFound,
        ErrorReason.BUDGET_NOT_FOUND,
    ),
    "model": (
        lambda c: c.set_breaker(author(), "default", "gone", open=True, seconds=None),
        NotFound,
        ErrorReason.MODEL_NOT_FOUND,
    ),
    "reset of a model": (lambda c: c.reset_breaker(author(), "default", "gone"), NotFound, ErrorReason.MODEL_NOT_FOUND),
    "experiment": (
        lambda c: c.set_experiment(author(), "default", "gone", running=True, weights={}),
        NotFound,
        ErrorReason.EXPERIMENT_NOT_FOUND,
    ),
    "reset of an experiment": (
        lambda c: c.reset_experiment(author(), "default", "gone"),
        NotFound,
        ErrorReason.EXPERIMENT_NOT_FOUND,
    ),
    "catalog": (
        lambda c: c.set_budget(author(), "elsewhere", "monthly", "", 5),
        NotFound,
        ErrorReason.CATALOG_NOT_FOUND,
    ),
    "no catalog's name": (lambda c: c.budgets("../x"), InvalidRequest, ErrorReason.INVALID_FIELD),
}


@pytest.mark.parametrize("what", _WRONG)
def test_names_that_are_none(store: SqliteStore, controls: FolderControls, what: str) -> None:
    """The error says which kind of name it is, and nothing has changed."""
    call, error, reason = _WRONG[what]
    with pytest.raises(error) as raised:
        call(controls)
    assert raised.value.reason == reason
    assert audited(store) == []


@pytest.mark.parametrize(
    ("budget", "holder"), [("monthly", "acme"), ("a/b", "stranger"), ("routes", "gone"), ("models", "code")]
)
def test_holders_that_have_no_account(store: SqliteStore, controls: FolderControls, budget: str, holder: str) -> None:
    """Of a catalog's budget nobody, of others those that it is for."""
    calls: list[Callable[[], object]] = [
        lambda: controls.set_budget(author(), "default", budget, holder, 5),
        lambda: controls.reset_budget(author(), "default", budget, holder),
        lambda: controls.clear_budget(author(), "default", budget, holder),
    ]
    for call in calls:
        with pytest.raises(InvalidRequest) as raised:
            call()
        assert [violation.field for violation in raised.value.fields] == ["holder"]
    assert audited(store) == []


def test_holders_that_have_one(controls: FolderControls) -> None:
    """Routes and models by name, tenants that are named."""
    for budget, holder in (("routes", "code"), ("models", "strong"), ("a/b", "b/c"), ("a/b", "")):
        controls.set_budget(author(), "default", budget, holder, 5)


_WEIGHTS: list[Mapping[str, float]] = [
    {"control": 50.0},
    {"control": 50.0, "gone": 50.0},
    {"control": 50.0, "sm/ll": 49.0},
    {"control": 101.0, "sm/ll": -1.0},
    {"control": float("nan"), "sm/ll": 50.0},
    {"control": float("inf"), "sm/ll": 0.0},
]


@pytest.mark.parametrize("weights", _WEIGHTS, ids=str)
def test_weights_that_are_none(store: SqliteStore, controls: FolderControls, weights: Mapping[str, float]) -> None:
    """One of each arm, none below 0, 100 together."""
    with pytest.raises(InvalidRequest) as raised:
        controls.set_experiment(author(), "default", "tr/al", running=None, weights=weights)
    assert [violation.field for violation in raised.value.fields] == ["weights"]
    assert audited(store) == []


def test_numbers_that_are_none(store: SqliteStore, controls: FolderControls) -> None:
    """A limit and a time are at least one."""
    for limit in (0, -1):
        with pytest.raises(InvalidRequest, match="limit_usd_micros"):
            controls.set_budget(author(), "default", "monthly", "", limit)
    with pytest.raises(InvalidRequest, match="seconds"):
        controls.set_breaker(author(), "default", "coder", open=True, seconds=0)
    assert audited(store) == []


_CHANGES: dict[str, Callable[[FolderControls, Author], Any]] = {
    "set a budget": lambda c, by: c.set_budget(by, "default", "monthly", "", 5),
    "reset a budget": lambda c, by: c.reset_budget(by, "default", "monthly", ""),
    "set a breaker": lambda c, by: c.set_breaker(by, "default", "coder", open=True, seconds=60),
    "reset a breaker": lambda c, by: c.reset_breaker(by, "default", "coder"),
    "set an experiment": lambda c, by: c.set_experiment(by, "default", "tr/al", running=False, weights={}),
    "reset an experiment": lambda c, by: c.reset_experiment(by, "default", "tr/al"),
}


@pytest.mark.parametrize("what", _CHANGES)
def test_the_same_key_again_changes_nothing(store: SqliteStore, controls: FolderControls, what: str) -> None:
    """The same entry is told, also when something else was set meanwhile, which stays."""
    change = _CHANGES[what]
    first = change(controls, author("the same key"))
    for other in _CHANGES.values():
        other(controls, author())
    before: list[Override] = [*store.ledger().overrides()]
    assert change(controls, author("the same key")) == first
    assert [*store.ledger().overrides()] == before
    assert len(audited(store)) == 1 + len(_CHANGES)


def test_a_lost_file_comes_back_with_the_next_change(store: SqliteStore, controls: FolderControls) -> None:
    """All of what is set, and not only what is new."""
    controls.set_budget(author(), "default", "monthly", "", 5)
    store.data.overrides.unlink()
    controls.set_breaker(author(), "default", "coder", open=True, seconds=None)
    assert by_hand(store.data).limits == {("monthly", ""): 5}
    assert len(audited(store)) == 2
