"""Entries: what a policy's file says of budgets, breakers and experiments becomes these, with places, or findings."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from fingerpost.build.files import (
    ArmEntry,
    BudgetEntry,
    ExperimentEntry,
    GuardrailEntry,
    PolicyFile,
)
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.guards.codes import (
    ARM_MISFIT,
    ARM_TWICE,
    ARM_WEIGHTS,
    BREAKER_COOL_DOWN,
    BUDGET_AMOUNT,
    BUDGET_CURRENCY,
    BUDGET_ONLY,
    BUDGET_SPENT,
    BUDGET_TWICE,
    EXPERIMENT_ARMS,
    EXPERIMENT_KEYS,
    EXPERIMENT_TWICE,
    EXPERIMENTS_OVERLAP,
    GUARDRAIL_BAND,
    REVISION_DIGEST,
)
from fingerpost.build.yaml_lines import Document, KeyPath
from fingerpost.types import (
    Arm,
    BreakerRules,
    Budget,
    BudgetOf,
    BudgetPer,
    Experiment,
    ExperimentUnit,
    GuardedMeasure,
    Guardrail,
    Text,
    WhenSpent,
)

_SOFT = (WhenSpent.ALERT, WhenSpent.DOWNGRADE)  # the first is the default
_HARD = (WhenSpent.REFUSE, WhenSpent.CHEAPEST)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WEIGHTS_TOLERANCE = 1e-6  # of a hundred


@dataclass(frozen=True, slots=True)
class DraftBudget:
    """A budget and where it says what."""

    budget: Budget
    named: Place
    limit_named: Place
    only: tuple[Text, ...] = ()  # the names that it is for and where they stand


@dataclass(frozen=True, slots=True)
class DraftExperiment:
    """An experiment and where it says what."""

    experiment: Experiment
    named: Place
    route_named: Place
    arms_named: tuple[Place, ...] = ()
    models: tuple[Text, ...] = ()  # that arms name and where they stand
    revisions: tuple[Text, ...] = ()  # digests that arms or the shadow name, likewise


_Entry = TypeVar("_Entry", BudgetEntry, ExperimentEntry, ArmEntry)


def _own_names(
    document: Document, path: KeyPath, entries: Sequence[_Entry], kind: Kind, findings: Findings
) -> Iterator[tuple[KeyPath, _Entry]]:
    """Each entry with its path; one whose name is taken is told and left out."""
    first: dict[str, Place] = {}
    for number, entry in enumerate(entries):
        place = document.place((*path, number, "name"))
        if first.setdefault(entry.name, place) is place:
            yield (*path, number), entry
        else:
            findings.add(kind, place, f"the name {quoted(entry.name)} is taken: see {first[entry.name]}")


# --- Budgets ------------------------------------------------------------------------------------------------------


def budgets_of(document: Document, content: PolicyFile, findings: Findings) -> tuple[DraftBudget, ...]:
    """The budgets of a policy; one with a finding is left out."""
    named = _own_names(document, ("budgets",), content.budgets, BUDGET_TWICE, findings)
    drafts = [_budget(document, path, entry, findings) for path, entry in named]
    return tuple(draft for draft in drafts if draft)


def _budget(document: Document, path: KeyPath, entry: BudgetEntry, findings: Findings) -> DraftBudget | None:
    what, errors_before = f"the budget {quoted(entry.name)}", findings.errors_count
    when_spent = _when_spent(entry)
    limit = usd_micros(entry.limit)
    if when_spent is None:
        kind, fitting = ("hard", _HARD) if entry.hard else ("soft", _SOFT)
        told = f"{what} is {kind}, and when_spent is {entry.when_spent}: take {' or '.join(fitting)}"
        findings.add(BUDGET_SPENT, document.place((*path, "when_spent")), told)
    if limit is None:
        told = f"{what}: {entry.limit} dollars are no whole number of micro-dollars: write at most six decimals"
        findings.add(BUDGET_AMOUNT, document.place((*path, "limit")), told)
    if entry.currency != "USD":
        told = f"{what} is in {quoted(entry.currency)}: prices are US dollars, and nothing is converted"
        findings.add(BUDGET_CURRENCY, document.place((*path, "currency")), told)
    if entry.only and entry.of == "catalog":
        told = f"{what} is of the catalog, so that only means nothing: take of: route, model or tenant"
        findings.add(BUDGET_ONLY, document.place((*path, "only")), told)
    if findings.errors_count > errors_before or when_spent is None or limit is None:
        return None
    only = tuple(dict.fromkeys(entry.only or ()))
    return DraftBudget(
        Budget(entry.name, BudgetOf(entry.of), BudgetPer(entry.per), limit, when_spent, only, entry.cover_fallbacks),
        named=document.place((*path, "name")),
        limit_named=document.place((*path, "limit")),
        only=tuple(_text(document, (*path, "only", number), name) for number, name in enumerate(entry.only or ())),
    )


def _when_spent(entry: BudgetEntry) -> WhenSpent | None:
    """None where it does not fit."""
    fitting = _HARD if entry.hard else _SOFT
    wanted = fitting[0] if entry.when_spent is None else WhenSpent(entry.when_spent)
    return wanted if wanted in fitting else None


def usd_micros(usd: float) -> int | None:
    """Dollars, as a person wrote them, in micro-dollars; None where these are not whole.

    A number up to a thousand million with at most six decimals is the shortest that reads as its float, so the text of
    the float is what was written.
    """
    micros = Decimal(repr(usd)) * 1_000_000
    return int(micros) if micros == micros.to_integral_value() else None


# --- Breakers -----------------------------------------------------------------------------------------------------


def breakers_of(document: Document, content: PolicyFile, findings: Findings) -> BreakerRules:
    """When models are left alone."""
    if content.breakers is None:
        return BreakerRules()
    entry = content.breakers
    if entry.max_cool_down_seconds < entry.cool_down_seconds:
        key = "max_cool_down_seconds" if "max_cool_down_seconds" in entry.model_fields_set else "cool_down_seconds"
        told = f"cool_down_seconds is {entry.cool_down_seconds} and max_cool_down_seconds {entry.max_cool_down_seconds}"
        findings.add(BREAKER_COOL_DOWN, document.place(("breakers", key)), told)
    return BreakerRules(**entry.model_dump())


# --- Experiments --------------------------------------------------------------------------------------------------


def experiments_of(document: Document, content: PolicyFile, findings: Findings) -> tuple[DraftExperiment, ...]:
    """The experiments of a policy; one with an error is left out."""
    named = _own_names(document, ("experiments",), content.experiments, EXPERIMENT_TWICE, findings)
    drafts = [draft for path, entry in named if (draft := _experiment(document, path, entry, findings))]
    _check_overlap(drafts, findings)
    return tuple(drafts)


def _experiment(
    document: Document, path: KeyPath, entry: ExperimentEntry, findings: Findings
) -> DraftExperiment | None:
    errors_before = findings.errors_count

    def add(kind: Kind, key: KeyPath, told: str) -> None:
        findings.add(kind, document.place((*path, *key)), f"the experiment {quoted(entry.name)} {told}")

    for key, problem in _misfits(entry):
        add(EXPERIMENT_KEYS, (key,), problem)
    if entry.shadow is None:
        _check_arms(entry, add)
    arms = list(_own_names(document, (*path, "arms"), entry.arms, ARM_TWICE, findings))
    for number, guardrail in enumerate(entry.guardrails):
        if problem := _no_band(guardrail):
            add(GUARDRAIL_BAND, ("guardrails", number), f"has a guardrail of {guardrail.of} {problem}")
    revisions = tuple(_revisions(document, path, entry))
    for text in revisions:
        if not _DIGEST.fullmatch(text.text):
            told = f"names the revision {quoted(text.text)}: give all 64 lower-case hexadecimal digits"
            findings.add(REVISION_DIGEST, Place(text.file, text.line), f"the experiment {quoted(entry.name)} {told}")
    if findings.errors_count > errors_before:
        return None
    return DraftExperiment(
        _made(entry),
        named=document.place((*path, "name")),
        route_named=document.place((*path, "route")),
        arms_named=tuple(document.place((*at, "name")) for at, _ in arms),
        models=tuple(_text(document, (*at, "model"), arm.model) for at, arm in arms if arm.model is not None),
        revisions=revisions,
    )


def _misfits(entry: ExperimentEntry) -> Iterator[tuple[str, str]]:
    """Keys that mean nothing beside others, and what to do."""
    if entry.shadow is None:
        if "share" in entry.model_fields_set:
            yield "share", "has a share and no shadow: give the shadow, or leave the share out"
        return
    for key in ("arms",) if entry.arms else ("arms", "guardrails", "route", "unit"):  # the others belong to the arms
        if key in entry.model_fields_set:
            yield key, f"has a shadow, which never serves, so that {key} means nothing: leave one of the two out"


def _check_arms(entry: ExperimentEntry, add: Callable[[Kind, KeyPath, str], None]) -> None:
    if len(entry.arms) < 2:
        add(EXPERIMENT_ARMS, ("arms",), f"has {len(entry.arms) or 'no'} arm{'s' * (not entry.arms)}: give two or more")
        return
    total = math.fsum(arm.weight for arm in entry.arms)
    if abs(total - 100) > _WEIGHTS_TOLERANCE * 100:
        add(ARM_WEIGHTS, ("arms",), f"has weights of {total:g} per cent: give the arms 100 together")
    for number, arm in enumerate(entry.arms):
        if arm.model is not None and entry.route is None:
            told = f"is of all requests, and its arm {quoted(arm.name)} has a model: give it a route, or a revision"
            add(ARM_MISFIT, ("arms", number, "model"), told)
        if arm.revision is not None and entry.route is not None:
            told = f"is of a route, and its arm {quoted(arm.name)} has a revision: give it a model, or take route away"
            add(ARM_MISFIT, ("arms", number, "revision"), told)


def _no_band(guardrail: GuardrailEntry) -> str:
    """What is wrong with its bounds; empty: nothing."""
    bounds = [bound for bound in (guardrail.min, guardrail.max) if bound is not None]
    if not bounds:
        return "without max and min: give one"
    if bounds != sorted(bounds):
        return f"whose min {guardrail.min:g} is over its max {guardrail.max:g}"
    if guardrail.of != "cost_usd" and bounds[-1] > 1:
        return f"with the bound {bounds[-1]:g}: a share is at most 1"
    return ""


def _revisions(document: Document, path: KeyPath, entry: ExperimentEntry) -> Iterator[Text]:
    if entry.shadow is not None:
        yield _text(document, (*path, "shadow"), entry.shadow)
    for number, arm in enumerate(entry.arms):
        if arm.revision is not None:
            yield _text(document, (*path, "arms", number, "revision"), arm.revision)


def _made(entry: ExperimentEntry) -> Experiment:
    return Experiment(
        name=entry.name,
        route=entry.route,
        unit=ExperimentUnit(entry.unit),
        arms=tuple(Arm(arm.name, arm.weight, arm.model, arm.revision) for arm in entry.arms),
        guardrails=tuple(Guardrail(GuardedMeasure(one.of), one.max, one.min) for one in entry.guardrails),
        shadow=entry.shadow,
        share=entry.share,
    )


def _check_overlap(drafts: Sequence[DraftExperiment], findings: Findings) -> None:
    splits: list[DraftExperiment] = []
    for draft in drafts:
        if draft.experiment.shadow is not None:
            continue
        route = draft.experiment.route
        other = next((one for one in splits if route is None or one.experiment.route in (None, route)), None)
        if other is not None:
            which = "all requests" if None in (route, other.experiment.route) else f"the route {quoted(str(route))}"
            told = f"splits requests that {quoted(other.experiment.name)} ({other.named}) splits: one is of {which}"
            findings.add(EXPERIMENTS_OVERLAP, draft.named, f"the experiment {quoted(draft.experiment.name)} {told}")
        splits.append(draft)


def _text(document: Document, path: KeyPath, text: str) -> Text:
    place = document.place(path)
    return Text(text, place.file, place.line)
