"""Choices: which rules never count or fail too easily, which models does nothing name, which budgets are tiny?"""

from collections.abc import Sequence

from fingerpost.build.diff.prices import Tokens, price_of
from fingerpost.build.findings import Findings, quoted
from fingerpost.build.guards.checks import named_models
from fingerpost.build.guards.entries import DraftBudget
from fingerpost.build.lint.codes import BUDGET_SMALL, MODEL_UNUSED, RULE_FRAGILE, RULE_SHADOWED, RULE_UNREACHABLE
from fingerpost.build.load import Loaded
from fingerpost.build.rules.entries import DraftRule
from fingerpost.build.rules.implies import implies, never, unguarded_keys
from fingerpost.types import Budget, BudgetOf, Catalog, RuleStage


def lint_choices(loaded: Loaded, findings: Findings) -> None:
    """Look at rules, one by one and beside those before them, and at the list of models."""
    for stage in RuleStage:
        drafts = [draft for draft in loaded.rules if draft.rule.stage is stage]
        for number, draft in enumerate(drafts):
            _lint_rule(draft, drafts[:number], findings)
    named = frozenset(named_models(loaded.catalog.routes, loaded.catalog.policy))
    for place, name in loaded.models:
        if name not in named:
            findings.add(MODEL_UNUSED, place, f"no route, fallback, rule or arm names the model {quoted(name)}")
    for budget in loaded.budgets:
        _lint_budget(budget, loaded.catalog, findings)


def _lint_rule(draft: DraftRule, earlier: Sequence[DraftRule], findings: Findings) -> None:
    rule, node, place = draft.rule, draft.condition.node, draft.places["when"]
    if never(node):
        findings.add(
            RULE_UNREACHABLE, place, f"the rule {quoted(rule.name)} can never hold: its parts exclude each other"
        )
        return
    shadow = next((one for one in earlier if _shadows(one, draft)), None)
    if shadow is not None:
        told = (
            f"whenever the rule {quoted(rule.name)} holds, {quoted(shadow.rule.name)} ({shadow.named}) holds before it"
        )
        findings.add(RULE_SHADOWED, place, told)
    keys = sorted(set(unguarded_keys(node)))
    if keys:
        what = "takes effect" if rule.final else "fails"
        told = f"the rule {quoted(rule.name)} {what} for each request without {', '.join(keys)} in its metadata"
        findings.add(RULE_FRAGILE, place, f"{told}: ask has(metadata.{keys[0]}) && first")


def _shadows(one: DraftRule, other: DraftRule) -> bool:
    """Whether the first rule keeps the second from ever being looked at when it holds; what is final always is."""
    if one.rule.final or other.rule.final or one.rule.goes_on:
        return False
    return implies(other.condition.node, one.condition.node)


def _lint_budget(draft: DraftBudget, catalog: Catalog, findings: Findings) -> None:
    budget, tokens = draft.budget, Tokens()
    names = _models_for(budget, catalog)
    costs = {model.name: price_of(model, tokens) or 0.0 for model in catalog.models if model.name in names}
    dearest = max(costs, key=lambda name: (costs[name], name), default=None)
    if dearest is not None and budget.limit_usd_micros < costs[dearest]:
        told = (
            f"the budget {quoted(budget.name)} is spent by one request to {quoted(dearest)}: {tokens.input} tokens in "
            f"and {tokens.output} out cost {costs[dearest] / 1e6:g} dollars, and the limit is "
            f"{budget.limit_usd_micros / 1e6:g}"
        )
        findings.add(BUDGET_SMALL, draft.limit_named, told)


def _models_for(budget: Budget, catalog: Catalog) -> frozenset[str]:
    """Names of the models whose cost counts against it, as far as the files tell."""
    if budget.only and budget.of is BudgetOf.MODEL:
        return frozenset(budget.only)
    if budget.only and budget.of is BudgetOf.ROUTE:
        routes = [route for route in catalog.routes if route.name in budget.only]
        return frozenset(name for route in routes for name in (route.model, *route.models, *route.fallback))
    return frozenset(named_models(catalog.routes, catalog.policy))
