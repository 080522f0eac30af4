"""Comparing: what two revisions have otherwise, told without deciding a text. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace

from fingerpost.types import (
    OUT_OF_SCOPE,
    Arm,
    BreakerRules,
    Budget,
    Change,
    Decider,
    Experiment,
    Guardrail,
    Model,
    Policy,
    Revision,
    RoutePolicy,
    Rule,
)


def changes(before: Revision, after: Revision) -> list[Change]:
    """Encoder, routes, models, rules, budgets, experiments and policy, in this order, each by name."""
    old, new = before.decider.policy, after.decider.policy
    return [
        *_encoder(before, after),
        *_routes(before, after),
        *_models(before.decider, after.decider),
        *_rules(old, new),
        *_named("budget", old.budgets, new.budgets),
        *_named("experiment", old.experiments, new.experiments),
        *_fields("policy", "", _bare(old), _bare(new), Policy),
        *_fields("policy", "", old.breakers, new.breakers, BreakerRules, "breakers."),
    ]


def _encoder(before: Revision, after: Revision) -> Iterator[Change]:
    if before.encoder.digest != after.encoder.digest:
        yield Change("encoder", after.encoder.name, "digest", before.encoder.digest, after.encoder.digest)


def _routes(before: Revision, after: Revision) -> Iterator[Change]:
    old, new = ({route.name: route for route in one.decider.routes} for one in (before, after))
    old_texts, new_texts = _texts(before), _texts(after)
    for name in sorted(old.keys() | new.keys()):
        first, second = old.get(name), new.get(name)
        if first is None or second is None:
            yield Change("route", name, "", first.model if first else "", second.model if second else "")
        else:
            yield from _route(first, second)
        yield from _utterances("route", name, old_texts.get(name, set()), new_texts.get(name, set()))
    yield from _utterances("out_of_scope", "", old_texts.get(None, set()), new_texts.get(None, set()))


def _route(before: RoutePolicy, after: RoutePolicy) -> Iterator[Change]:
    values = (
        ("model", before.model, after.model),
        ("models", _shown(before.models), _shown(after.models)),
        ("selection", _shown(before.selection), _shown(after.selection)),
        ("fallback", _shown(before.fallback), _shown(after.fallback)),
        ("description", before.description, after.description),
        ("threshold", f"{before.threshold:.4f}", f"{after.threshold:.4f}"),
    )
    yield from (Change("route", after.name, field, old, new) for field, old, new in values if old != new)


def _rules(before: Policy, after: Policy) -> Iterator[Change]:
    old, new = ({rule.name: rule for rule in one.rules} for one in (before, after))
    for name in sorted(old.keys() | new.keys()):
        first, second = old.get(name), new.get(name)
        if first is None or second is None:
            yield Change("rule", name, "", first.when if first else "", second.when if second else "")
            continue
        for field in fields(Rule):
            values = [_shown(getattr(rule, field.name)) for rule in (first, second)]
            if values[0] != values[1] and field.name not in _DERIVED:
                yield Change("rule", name, field.name, *values)


_DERIVED = {"expression", "reads", "needs", "patterns"}  # that follow from `when`


def _named(
    subject: str, before: Sequence[Budget] | Sequence[Experiment], after: Sequence[Budget] | Sequence[Experiment]
) -> Iterator[Change]:
    old, new = ({one.name: one for one in each} for each in (before, after))
    for name in sorted(old.keys() | new.keys()):
        first, second = old.get(name), new.get(name)
        if first is None or second is None:
            yield Change(subject, name, "", _told(first), _told(second))
        else:
            yield from _fields(subject, name, first, second, type(second))


def _told(one: Budget | Experiment | None) -> str:
    """What it is above all."""
    if one is None:
        return ""
    if isinstance(one, Budget):
        return f"{one.limit_usd_micros} micro-dollars per {one.per} and {one.of}, then {one.when_spent}"
    return f"shadow {one.shadow}" if one.shadow else f"{one.route or 'all requests'}: {_shown(one.arms)}"


def _bare(policy: Policy) -> Policy:
    """Without what is compared by itself."""
    return replace(policy, rules=(), budgets=(), breakers=BreakerRules(), experiments=())


def _utterances(subject: str, name: str, before: set[str], after: set[str]) -> Iterator[Change]:
    added, removed = len(after - before), len(before - after)
    if added:
        yield Change(subject, name, "utterances_added", "", str(added))
    if removed:
        yield Change(subject, name, "utterances_removed", str(removed), "")


def _texts(revision: Revision) -> dict[str | None, set[str]]:
    """Texts by route; by None those of no route."""
    found: dict[str | None, set[str]] = {}
    for exemplar in revision.exemplars:
        name = None if exemplar.route == OUT_OF_SCOPE else revision.decider.routes[exemplar.route].name
        found.setdefault(name, set()).add(exemplar.text)
    return found


def _models(before: Decider, after: Decider) -> Iterator[Change]:
    old, new = before.models, after.models
    for name in sorted(old.keys() | new.keys()):
        yield from _model(name, old, new)


def _model(name: str, old: Mapping[str, Model], new: Mapping[str, Model]) -> Iterator[Change]:
    first, second = old.get(name), new.get(name)
    if first is None or second is None:
        yield Change("model", name, "", first.upstream_model if first else "", second.upstream_model if second else "")
    else:
        yield from _fields("model", name, first, second, Model)


_Fielded = Model | Policy | Budget | Experiment | BreakerRules


def _fields(
    subject: str, name: str, before: _Fielded, after: _Fielded, kind: type[_Fielded], within: str = ""
) -> Iterator[Change]:
    for field in fields(kind):
        old, new = (_shown(getattr(one, field.name)) for one in (before, after))
        if old != new:
            yield Change(subject, name, f"{within}{field.name}", old, new)


def _shown(value: object) -> str:
    """A value as people read it; of parts those that say something."""
    if value is None:
        return ""
    if isinstance(value, Arm):
        return f"{value.name} {value.weight:g}%" + "".join(f" {what}" for what in (value.model, value.revision) if what)
    if isinstance(value, Guardrail):
        bounds = (("at least", value.min), ("at most", value.max))
        return f"{value.of} {' and '.join(f'{word} {bound:g}' for word, bound in bounds if bound is not None)}"
    if is_dataclass(value) and not isinstance(value, type):
        return ", ".join(f"{name} {_shown(part)}" for name, part in asdict(value).items() if part or part is False)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    if isinstance(value, tuple | frozenset):
        parts = sorted(value) if isinstance(value, frozenset) else value
        return ", ".join(map(_shown, parts))
    return str(value)
