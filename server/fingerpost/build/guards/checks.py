"""Checks: do budgets and experiments fit the rest of the folder, and are the revisions there that they name?"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from fingerpost.build.draft import Draft, DraftPolicy
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.guards.codes import (
    ARMS_ALIKE,
    BUDGET_PRICE,
    BUDGET_REFERENCE,
    EXPERIMENT_REFERENCE,
    REVISION_UNKNOWN,
)
from fingerpost.build.guards.entries import DraftBudget, DraftExperiment
from fingerpost.types import Arm, BudgetOf, Policy, Route, Text


def check_guards(draft: Draft, findings: Findings) -> None:
    """Report names that are not there, prices that budgets need, and arms that are alike."""
    if draft.policy is None or draft.models is None:
        return
    routes = {route.route.name: route.route for route in draft.routes}
    models = {entry.model.name for entry in draft.models}
    for budget in draft.policy.budgets:
        _check_only(budget, routes.keys() if draft.whole else None, models, findings)
    if draft.policy.budgets:
        _check_prices(draft, draft.policy, findings)
    for experiment in draft.policy.experiments:
        _check_names(experiment, routes.keys() if draft.whole else None, models, findings)
        _check_alike(experiment, routes, findings)


def check_revisions(named: Sequence[Text], known: Callable[[str], bool]) -> None:
    """Ask for the revisions that experiments name.

    Args:
        named: Digests and where they stand.
        known: Whether a revision of that digest is stored.

    Raises:
        RouteFilesInvalid: one is not.
        Whatever `known` raises.
    """
    findings = Findings()
    held = {digest: known(digest) for digest in sorted({text.text for text in named})}
    for text in named:
        if not held[text.text]:
            told = f"the revision {text.text[:12]} is not stored here: publish it first, or name another one"
            findings.add(REVISION_UNKNOWN, Place(text.file, text.line), told)
    findings.check()


def named_models(routes: Sequence[Route], policy: Policy) -> Iterator[str]:
    """Models that may be chosen somewhere."""
    yield from (policy.fallback_model, *policy.fallback_chain)
    for route in routes:
        yield from (route.model, *route.models, *route.fallback)
    for rule in policy.rules:
        yield from (rule.model or "", *(name for names in rule.demands.allowed for name in names))
    for experiment in policy.experiments:
        yield from (arm.model or "" for arm in experiment.arms)


def _check_only(
    draft: DraftBudget, routes: Collection[str] | None, models: Collection[str], findings: Findings
) -> None:
    known = {BudgetOf.ROUTE: routes, BudgetOf.MODEL: models}.get(draft.budget.of)
    for text in draft.only:
        if known is not None and text.text not in known:
            told = f"the budget {quoted(draft.budget.name)}: no {draft.budget.of} is called {quoted(text.text)}"
            findings.add(BUDGET_REFERENCE, Place(text.file, text.line), told)


def _check_prices(draft: Draft, policy: DraftPolicy, findings: Findings) -> None:
    """At the model's entry, where the price is to be written."""
    chosen = frozenset(named_models([one.route for one in draft.routes], policy.policy))
    for entry in draft.models or ():
        model = entry.model
        prices = {"input": model.input_price_usd_micros, "output": model.output_price_usd_micros}
        missing = [f"{name}_price_usd_micros" for name, price in prices.items() if price is None]
        if missing and model.name in chosen:
            told = f"the model {quoted(model.name)} may answer, and there are budgets: give {' and '.join(missing)}"
            findings.add(BUDGET_PRICE, entry.named, told)


def _check_names(
    draft: DraftExperiment, routes: Collection[str] | None, models: Collection[str], findings: Findings
) -> None:
    what, route = f"the experiment {quoted(draft.experiment.name)}", draft.experiment.route
    if route is not None and routes is not None and route not in routes:
        findings.add(EXPERIMENT_REFERENCE, draft.route_named, f"{what}: no route is called {quoted(route)}")
    for text in draft.models:
        if text.text not in models:
            told = f"{what}: no model is called {quoted(text.text)}"
            findings.add(EXPERIMENT_REFERENCE, Place(text.file, text.line), told)


def _check_alike(draft: DraftExperiment, routes: Mapping[str, Route], findings: Findings) -> None:
    route = routes.get(draft.experiment.route or "")
    own = route.model if route and not route.models else None
    first: dict[tuple[str | None, str | None], Arm] = {}
    for arm, place in zip(draft.experiment.arms, draft.arms_named, strict=True):
        does = (None if arm.model == own else arm.model, arm.revision)
        other = first.setdefault(does, arm)
        if other is not arm:
            told = f"the arms {quoted(other.name)} and {quoted(arm.name)} of the experiment do the same"
            findings.add(ARMS_ALIKE, place, told)
