"""Choices: can models be chosen as routes, policy and rules say? Needs the whole folder."""

import math
from collections.abc import Iterable, Mapping, Sequence

from fingerpost.build.draft import Draft, DraftRoute
from fingerpost.build.finding_codes import (
    ESCALATION_CHAIN,
    FALLBACK_CYCLE,
    MODEL_LATENCY,
    MODEL_PRICE,
    MODEL_QUALITY,
    SELECTION_KEYS,
    SELECTION_WEIGHTS,
)
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.rules.codes import RULE_REFERENCE
from fingerpost.build.rules.entries import DraftRule
from fingerpost.build.rules.kinds import compared_routes
from fingerpost.serve.select import quality_of
from fingerpost.types import Model, Selection, SelectionMode

_PRICED = {SelectionMode.CHEAPEST, SelectionMode.BEST_VALUE}
_SWITCHING = {SelectionMode.CHEAPEST, SelectionMode.FASTEST, SelectionMode.BEST_VALUE}
_WEIGHTS_TOLERANCE = 1e-6  # of a hundred


def check_choices(draft: Draft, findings: Findings) -> None:
    """Report selections, fallbacks, limits and rules that cannot work; names of models are checked elsewhere."""
    models = {entry.model.name: entry.model for entry in draft.models or ()}
    for route in draft.routes:
        _check_selection(route, models, findings)
        _check_route_chain(route, findings)
    if draft.policy is not None:
        names = [text.text for text in draft.policy.models]
        for text in draft.policy.models[1:]:
            if names.count(text.text) > 1:
                place = Place(text.file, text.line)
                findings.add(FALLBACK_CYCLE, place, f"the chain comes back to {quoted(text.text)}")
        _check_escalation(draft, models, findings)
        for rule in draft.policy.rules:
            _check_references(rule, draft, models, findings)


def _check_selection(draft: DraftRoute, models: Mapping[str, Model], findings: Findings) -> None:
    route, place = draft.route, draft.selection_named or draft.named
    names, selection = route.models or (route.model,), route.selection
    for problem in _misfits(names, selection):
        findings.add(SELECTION_KEYS, place, problem)
    if len(set(names)) < len(names):
        findings.add(SELECTION_KEYS, draft.model_named, "a model is listed twice: list each once")
    if selection.mode is SelectionMode.WEIGHTED and not _add_up(names, selection):
        told = f"weights are {sum(selection.weights.values()):g} per cent for {', '.join(selection.weights) or 'none'}"
        findings.add(SELECTION_WEIGHTS, place, f"{told}: give {', '.join(names)} 100 together")
    known = [models[name] for name in names if name in models]
    if selection.mode in _PRICED:
        lacking = [m.name for m in known if m.input_price_usd_micros is None or m.output_price_usd_micros is None]
        _add_lacking(MODEL_PRICE, draft, "a price", lacking, findings)
    if selection.mode is SelectionMode.BEST_VALUE or selection.quality_floor > 0:
        task = selection.task or route.name
        lacking = [m.name for m in known if math.isnan(quality_of(m.quality, task))]
        _add_lacking(MODEL_QUALITY, draft, f"a quality for {quoted(task)}", lacking, findings)
    if selection.mode is SelectionMode.FASTEST:
        lacking = [m.name for m in known if m.latency_p50_ms is None]
        _add_lacking(MODEL_LATENCY, draft, "a latency_p50_ms", lacking, findings)


def _misfits(names: Sequence[str], selection: Selection) -> Iterable[str]:
    """Keys that the mode has no use for."""
    mode = selection.mode
    if selection.weights and mode is not SelectionMode.WEIGHTED:
        yield f"weights mean nothing to the mode {mode}: take weighted"
    if selection.cost_weight and mode is not SelectionMode.BEST_VALUE:
        yield f"cost_weight means nothing to the mode {mode}: take best_value"
    if selection.switch_margin and mode not in _SWITCHING:
        yield f"switch_margin means nothing to the mode {mode}: take cheapest, fastest or best_value"
    if mode is not SelectionMode.FIXED and len(names) == 1:
        yield f"the mode {mode} chooses among several: list them under models"


def _add_up(names: Sequence[str], selection: Selection) -> bool:
    total = math.fsum(selection.weights.values())
    return set(selection.weights) == set(names) and abs(total - 100) <= _WEIGHTS_TOLERANCE * 100


def _add_lacking(kind: Kind, draft: DraftRoute, what: str, names: Sequence[str], findings: Findings) -> None:
    if names:
        mode = draft.route.selection.mode
        told = f"the mode {mode} of route {quoted(draft.route.name)} needs {what} of {', '.join(names)}"
        findings.add(kind, draft.selection_named or draft.named, told)


def _check_route_chain(draft: DraftRoute, findings: Findings) -> None:
    seen = set(draft.route.models or (draft.route.model,))
    for name in draft.route.fallback:
        if name in seen:
            place = draft.fallback_named or draft.named
            findings.add(FALLBACK_CYCLE, place, f"the fallback comes back to {quoted(name)}")
        seen.add(name)


def _check_escalation(draft: Draft, models: Mapping[str, Model], findings: Findings) -> None:
    policy = draft.policy
    if policy is None or policy.policy.escalation is None:
        return
    tier = policy.policy.escalation.tier
    chain = [models[text.text] for text in policy.models if text.text in models]
    if chain and all(model.tier == tier for model in chain):
        place = policy.escalation_named or Place("_policy.yaml")
        findings.add(ESCALATION_CHAIN, place, f"all of {', '.join(m.name for m in chain)} are of the tier {tier}")


def _check_references(draft: DraftRule, whole: Draft, models: Mapping[str, Model], findings: Findings) -> None:
    rule, routes = draft.rule, {route.route.name for route in whole.routes}
    demands = rule.demands
    capabilities = {label for model in models.values() for label in model.capabilities}
    regions = {label for model in models.values() for label in model.regions}
    named = (
        ("route", "route", {rule.route} if rule.route else set(), routes),
        ("model", "model", {rule.model} if rule.model else set(), models.keys()),
        ("require", "model", {name for names in demands.allowed for name in names}, models.keys()),
        ("forbid", "model", demands.forbidden, models.keys()),
        ("require", "capability", demands.capabilities, capabilities),
        ("forbid", "capability", demands.forbidden_capabilities, capabilities),
        ("require", "region", {name for names in demands.regions for name in names}, regions),
        ("when", "route", compared_routes(draft.condition.node), routes),
    )
    for key, what, names, known in named:
        if what == "route" and not whole.whole:
            continue
        for name in sorted(names - known):
            findings.add(RULE_REFERENCE, draft.places[key], f"rule {rule.name!r}: no {what} is called {quoted(name)}")
