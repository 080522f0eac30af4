"""Controls: budgets, breakers and experiments of a data folder, as those who look after them see and change them."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import fsum, isfinite
from typing import Protocol

from fingerpost.backends.ledger.ledger import SqlLedger
from fingerpost.backends.ledger.reports import SqlReports
from fingerpost.backends.ledger.treasury import SqlTreasury
from fingerpost.backends.overrides_file import OverridesFile
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import open_ledger
from fingerpost.bootstrap.sharing import whole
from fingerpost.errors import ErrorReason, FailedPrecondition, FieldViolation, FingerpostError, InvalidRequest, NotFound
from fingerpost.ports import Records
from fingerpost.serve.by_hand import BREAKER, BUDGET, EXPERIMENT, by_hand_of, name_of
from fingerpost.serve.guards import NOTHING_BY_HAND, ByHand
from fingerpost.serve.lab import AS_THE_POLICY_SAYS
from fingerpost.types import (
    Action,
    ArmState,
    AuditEntry,
    Author,
    BreakerPosition,
    BreakerState,
    Budget,
    BudgetOf,
    BudgetState,
    Decider,
    Event,
    Experiment,
    ExperimentReport,
    ExperimentState,
    Override,
    Standing,
)

GUARDRAIL = "fingerpost:guardrail"
"""Who stops arms, as the audit calls it."""

_WEIGHTS_TOLERANCE = 1e-6


class Living(Protocol):
    """What only a running server knows; see `serve.live.Live`."""

    def breakers(self, catalog: str) -> Sequence[BreakerState]: ...

    def experiments(self, catalog: str) -> Sequence[ExperimentState]: ...


@dataclass(frozen=True, slots=True)
class FolderControls:
    """See `control_ports.ControlDesk`; each call opens the ledger anew."""

    data: DataFolder
    live: Living | None = None  # None: no server runs in this process

    def budgets(self, catalog: str) -> Sequence[BudgetState]:
        decider, now_s = self._decider(catalog), int(time.time())
        with self._ledger() as (ledger, treasury, _):
            by_hand = _by_hand(ledger, catalog)
            standings = treasury.standings(catalog, since_s=now_s)
        return [
            BudgetState(
                catalog,
                budget,
                tuple(
                    (holder, limit) for (name, holder), limit in sorted(by_hand.limits.items()) if name == budget.name
                ),
                tuple(one for one in standings if one.key.budget == budget.name),
            )
            for budget in sorted(decider.policy.budgets, key=lambda budget: budget.name)
        ]

    def set_budget(self, by: Author, catalog: str, name: str, holder: str, limit_usd_micros: int) -> AuditEntry:
        _check_holder(_budget(self._decider(catalog), name), holder, self._decider(catalog))
        if limit_usd_micros < 1:
            raise _invalid("limit_usd_micros", "a limit is at least one micro-dollar")
        value = {"budget": name, "holder": holder, "limit_usd_micros": str(limit_usd_micros)}
        return self._set(by, catalog, BUDGET, name_of(name, holder), value)

    def reset_budget(self, by: Author, catalog: str, name: str, holder: str) -> AuditEntry:
        def check(decider: Decider) -> None:
            _check_holder(_budget(decider, name), holder, decider)

        return self._reset(by, catalog, BUDGET, {"budget": name, "holder": holder}, check)

    def clear_budget(self, by: Author, catalog: str, name: str, holder: str) -> Sequence[Standing]:
        _check_holder(_budget(self._decider(catalog), name), holder, self._decider(catalog))
        now_s = int(time.time())
        with self._ledger() as (ledger, treasury, _):
            found = [
                one
                for one in treasury.standings(catalog, since_s=now_s)
                if one.key.budget == name and (not holder or one.key.holder == holder)
            ]
            details = {"kind": BUDGET, "budget": name, "holder": holder, "cleared": str(len(found))}

            def work(records: Records) -> Event:
                for one in found:
                    records.clear_account(one.account)
                return Event(by.actor, Action.RESET, catalog, "", details)

            ledger.change(by.key, work)
            accounts = {one.account for one in found}
            return [one for one in treasury.standings(catalog, since_s=now_s) if one.account in accounts]

    def breakers(self, catalog: str) -> Sequence[BreakerState]:
        if self.live is None:
            raise FailedPrecondition(
                "breakers are in the memory of a server: ask one with --target, as unix:DATA/admin.sock",
                ErrorReason.SERVER_REQUIRED,
            )
        return self.live.breakers(catalog)

    def set_breaker(self, by: Author, catalog: str, model: str, *, open: bool, seconds: int | None) -> AuditEntry:
        _check_model(catalog, self._decider(catalog), model)
        if seconds is not None and seconds < 1:
            raise _invalid("seconds", "at least one, or none for ever")
        position = BreakerPosition.OPEN if open else BreakerPosition.CLOSED
        until = "" if seconds is None else str(time.time() + seconds)
        return self._set(by, catalog, BREAKER, name_of(model), {"model": model, "position": position, "until_s": until})

    def reset_breaker(self, by: Author, catalog: str, model: str) -> AuditEntry:
        return self._reset(
            by, catalog, BREAKER, {"model": model}, lambda decider: _check_model(catalog, decider, model)
        )

    def experiments(self, catalog: str) -> Sequence[ExperimentState]:
        if self.live is not None:
            return self.live.experiments(catalog)
        decider = self._decider(catalog)
        with self._ledger() as (ledger, _, _):
            by_hand = _by_hand(ledger, catalog)
        return [_state(catalog, one, by_hand) for one in sorted(decider.policy.experiments, key=lambda one: one.name)]

    def set_experiment(
        self, by: Author, catalog: str, name: str, *, running: bool | None, weights: Mapping[str, float]
    ) -> AuditEntry:
        _check_weights(_experiment(self._decider(catalog), name), weights)

        def change(before: Override | None) -> Mapping[str, str]:
            value = {} if before is None else dict(before.value)
            value["experiment"] = name
            if running is not None:
                value["running"] = "true" if running else "false"
            if weights:
                value["weights"] = json.dumps(dict(sorted(weights.items())))
            return value

        return self._changed(by, catalog, EXPERIMENT, name_of(name), change)

    def reset_experiment(self, by: Author, catalog: str, name: str) -> AuditEntry:
        return self._reset(by, catalog, EXPERIMENT, {"experiment": name}, lambda decider: _experiment(decider, name))

    def stop_arm(self, catalog: str, experiment: str, arm: str, why: str, key: str) -> AuditEntry:
        """What a guardrail does; once, whichever server says so first."""
        value = {"experiment": experiment, "arm": arm, "stopped": why}
        return self._set(Author(GUARDRAIL, key), catalog, EXPERIMENT, name_of(experiment, arm), value, Action.STOP_ARM)

    def report(self, catalog: str, name: str) -> ExperimentReport:
        from fingerpost.release.experiment_report import report_of  # only now: it reckons

        experiment = _experiment(self._decider(catalog), name)
        arms = [f"{name}/{arm.name}" for arm in experiment.arms]
        with self._ledger() as (ledger, _, reports):
            hand = _by_hand(ledger, catalog).experiments.get(name, AS_THE_POLICY_SAYS)
            rows = reports.reports(catalog=catalog, arms=arms) if arms else ()
        return report_of(catalog, _as_set(experiment, hand.weights), rows)

    @contextmanager
    def _ledger(self) -> Iterator[tuple[SqlLedger, SqlTreasury, SqlReports]]:
        database, ledger = open_ledger(self.data)
        try:
            yield ledger, SqlTreasury(database), SqlReports(database)
        finally:
            database.close()

    def _decider(self, catalog: str) -> Decider:
        return whole(self.data, self.data.active(catalog).revision).decider

    def _set(
        self,
        by: Author,
        catalog: str,
        kind: str,
        name: str,
        value: Mapping[str, str],
        action: Action = Action.SET,
    ) -> AuditEntry:
        return self._changed(by, catalog, kind, name, lambda _: value, action)

    def _changed(
        self,
        by: Author,
        catalog: str,
        kind: str,
        name: str,
        change: Callable[[Override | None], Mapping[str, str]],
        action: Action = Action.SET,
    ) -> AuditEntry:
        def work(records: Records) -> Event:
            before = records.override(catalog, kind, name)
            value = change(before)
            records.put_override(Override(catalog, kind, name, value, by.actor, time.time_ns() // 1000))
            told = {} if before is None else {f"before_{key}": text for key, text in before.value.items()}
            return Event(by.actor, action, catalog, "", {"kind": kind, **told, **value})

        return self._done(by, work)

    def _reset(
        self, by: Author, catalog: str, kind: str, details: Mapping[str, str], check: Callable[[Decider], object]
    ) -> AuditEntry:
        """Take back what was set, also of what the policy names no more: it would hold again as soon as it does."""
        with self._ledger() as (ledger, _, _):
            set_before = ledger.overrides()
        names = [
            one.name
            for one in set_before
            if (one.catalog, one.kind) == (catalog, kind) and details.items() <= one.value.items()
        ]
        fault = None if names else self._fault(catalog, check)

        def work(records: Records) -> Event:
            if fault is not None:
                raise fault
            for name in names:
                records.drop_override(catalog, kind, name)
            return Event(by.actor, Action.RESET, catalog, "", {"kind": kind, **details})

        return self._done(by, work)

    def _fault(self, catalog: str, check: Callable[[Decider], object]) -> FingerpostError | None:
        """What is wrong with a name, to be told unless the change was made before."""
        try:
            check(self._decider(catalog))
        except FingerpostError as error:
            return error
        return None

    def _done(self, by: Author, work: Callable[[Records], Event]) -> AuditEntry:
        with self._ledger() as (ledger, _, _):
            entry = ledger.change(by.key, work)
            OverridesFile(self.data.overrides).follow(ledger.overrides)
            return entry


def _by_hand(ledger: SqlLedger, catalog: str) -> ByHand:
    return by_hand_of(ledger.overrides()).get(catalog, NOTHING_BY_HAND)


def _check_model(catalog: str, decider: Decider, model: str) -> None:
    if model not in decider.models:
        raise NotFound(
            f"catalog {catalog} has no model {model!r}: `fingerpost models` lists them", ErrorReason.MODEL_NOT_FOUND
        )


def _budget(decider: Decider, name: str) -> Budget:
    found = next((one for one in decider.policy.budgets if one.name == name), None)
    if found is None:
        raise NotFound(
            f"the policy in force has no budget {name!r}: `fingerpost budget` lists them", ErrorReason.BUDGET_NOT_FOUND
        )
    return found


def _check_holder(budget: Budget, holder: str, decider: Decider) -> None:
    if not holder:
        return
    known = {BudgetOf.ROUTE: {route.name for route in decider.routes}, BudgetOf.MODEL: set(decider.models)}
    if budget.of is BudgetOf.CATALOG or (budget.only and holder not in budget.only):
        raise _invalid("holder", f"the budget {budget.name} has no account for {holder!r}")
    if budget.of in known and holder not in known[budget.of]:
        raise _invalid("holder", f"there is no {budget.of} {holder!r}")


def _experiment(decider: Decider, name: str) -> Experiment:
    found = next((one for one in decider.policy.experiments if one.name == name), None)
    if found is None:
        raise NotFound(
            f"the policy in force has no experiment {name!r}: `fingerpost experiment` lists them",
            ErrorReason.EXPERIMENT_NOT_FOUND,
        )
    return found


def _as_set(experiment: Experiment, weights: Mapping[str, float]) -> Experiment:
    """The experiment with the weights in force."""
    arms = (replace(arm, weight=weights.get(arm.name, arm.weight)) for arm in experiment.arms)
    return replace(experiment, arms=tuple(arms))


def _check_weights(experiment: Experiment, weights: Mapping[str, float]) -> None:
    if not weights:
        return
    names = {arm.name for arm in experiment.arms}
    if weights.keys() - names:
        raise _invalid(
            "weights", f"{', '.join(sorted(weights.keys() - names))}: the arms are {', '.join(sorted(names))}"
        )
    if any(not isfinite(one) or one < 0 for one in weights.values()) or names - weights.keys():
        raise _invalid("weights", f"give each of {', '.join(sorted(names))} a weight from 0 on")
    if abs(fsum(weights.values()) - 100) > 100 * _WEIGHTS_TOLERANCE:
        raise _invalid("weights", f"they are {fsum(weights.values()):g} per cent together: give 100")


def _state(catalog: str, experiment: Experiment, by_hand: ByHand) -> ExperimentState:
    """As it is set, where no server tells how it runs."""
    hand = by_hand.experiments.get(experiment.name, AS_THE_POLICY_SAYS)
    arms = tuple(
        ArmState(arm, hand.weights.get(arm.name, arm.weight), hand.stopped.get(arm.name, ""), 0, None, 0, None, None)
        for arm in experiment.arms
    )
    return ExperimentState(catalog, experiment, "" if hand.running else "stopped by hand", arms, None)


def _invalid(field: str, description: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {description}", fields=[FieldViolation(field, description)])
