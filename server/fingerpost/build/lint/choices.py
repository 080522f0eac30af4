"""Choices: which rules can never be followed, or fail too easily, and which models does nothing name?"""

from collections.abc import Iterator, Sequence

from fingerpost.build.findings import Findings, quoted
from fingerpost.build.lint.codes import MODEL_UNUSED, RULE_FRAGILE, RULE_SHADOWED, RULE_UNREACHABLE
from fingerpost.build.load import Loaded
from fingerpost.build.rules.entries import DraftRule
from fingerpost.build.rules.implies import implies, never, unguarded_keys
from fingerpost.types import Catalog, RuleStage


def lint_choices(loaded: Loaded, findings: Findings) -> None:
    """Look at rules, one by one and beside those before them, and at the list of models."""
    for stage in RuleStage:
        drafts = [draft for draft in loaded.rules if draft.rule.stage is stage]
        for number, draft in enumerate(drafts):
            _lint_rule(draft, drafts[:number], findings)
    named = frozenset(_named(loaded.catalog))
    for place, name in loaded.models:
        if name not in named:
            findings.add(MODEL_UNUSED, place, f"no route, fallback or rule names the model {quoted(name)}")


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


def _named(catalog: Catalog) -> Iterator[str]:
    """Models that may be chosen somewhere."""
    yield from (catalog.policy.fallback_model, *catalog.policy.fallback_chain)
    for route in catalog.routes:
        yield from (route.model, *route.models, *route.fallback)
    for rule in catalog.policy.rules:
        yield from (rule.model or "", *(name for names in rule.demands.allowed for name in names))
