"""Entries: what a policy's file says of rules becomes rules, each with its places, or findings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fingerpost.build.files import ExampleEntry, PolicyFile, RuleEntry, Unwanted, Wanted
from fingerpost.build.finding_codes import FIELD_TYPE
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import Findings, Place
from fingerpost.build.rules.codes import (
    RULE_COST,
    RULE_IDLE,
    RULE_NAME,
    RULE_PATTERN,
    RULE_SYNTAX,
    RULE_TWICE,
    RULE_TYPE,
)
from fingerpost.build.rules.read import Condition, read_condition
from fingerpost.build.rules.syntax import ConditionFault, FaultKind
from fingerpost.build.yaml_lines import Document, KeyPath
from fingerpost.serve.tokens import estimated_tokens
from fingerpost.types import Demands, Rule, RuleStage

_KINDS: Mapping[FaultKind, Kind] = {
    FaultKind.SYNTAX: RULE_SYNTAX,
    FaultKind.NAME: RULE_NAME,
    FaultKind.TYPE: RULE_TYPE,
    FaultKind.PATTERN: RULE_PATTERN,
    FaultKind.COST: RULE_COST,
}


@dataclass(frozen=True, slots=True)
class Example:
    """A request on which a rule is tried."""

    rule: str
    facts: Mapping[str, object]
    holds: bool
    place: Place


@dataclass(frozen=True, slots=True)
class DraftRule:
    """A rule, its tree, and where it says what."""

    rule: Rule
    condition: Condition
    named: Place
    places: Mapping[str, Place]  # of its keys
    examples: tuple[Example, ...]


def rules_of(document: Document, content: PolicyFile, findings: Findings) -> tuple[DraftRule, ...]:
    """The rules of a policy, those before similarity first; one with a finding is left out."""
    drafts: list[DraftRule] = []
    first: dict[str, Place] = {}
    for stage in RuleStage:
        for number, entry in enumerate(getattr(content.rules, stage.value) if content.rules else ()):
            path: KeyPath = ("rules", stage.value, number)
            named = document.place((*path, "name"))
            if first.setdefault(entry.name, named) is not named:
                message = f"the name {entry.name!r} is taken: see {first[entry.name]}"
                findings.add(RULE_TWICE, named, message)
            elif draft := _draft(document, path, entry, stage, findings):
                drafts.append(draft)
    return tuple(drafts)


def _draft(
    document: Document, path: KeyPath, entry: RuleEntry, stage: RuleStage, findings: Findings
) -> DraftRule | None:
    place = document.place((*path, "when"))
    try:
        condition = read_condition(entry.when, stage)
    except ConditionFault as fault:
        findings.add(_KINDS[fault.kind], place, f"rule {entry.name!r}: {fault}")
        return None
    rule = _rule(entry, stage, condition)
    if rule.route is None and rule.model is None and rule.min_confidence is None and rule.demands == Demands():
        findings.add(RULE_IDLE, document.place((*path, "name")), f"rule {entry.name!r} has no action")
        return None
    return DraftRule(
        rule,
        condition,
        document.place((*path, "name")),
        {key: document.place((*path, key)) for key in ("when", "route", "model", "require", "forbid")},
        tuple(_examples(document, (*path, "expect"), entry, findings)),
    )


def _rule(entry: RuleEntry, stage: RuleStage, condition: Condition) -> Rule:
    require, forbid = entry.require or Wanted(), entry.forbid or Unwanted()
    return Rule(
        name=entry.name,
        stage=stage,
        when=entry.when,
        expression=condition.expression,
        reads=condition.reads,
        needs=condition.needs,
        patterns=condition.patterns,
        route=entry.route,
        model=entry.model,
        demands=Demands(
            allowed=(frozenset(require.models),) if require.models else (),
            forbidden=frozenset(forbid.models),
            capabilities=frozenset(require.capabilities),
            forbidden_capabilities=frozenset(forbid.capabilities),
            regions=(frozenset(require.regions),) if require.regions else (),
            languages=frozenset(require.languages),
        ),
        min_confidence=entry.min_confidence,
        final=entry.final,
        goes_on=entry.goes_on,
    )


def _examples(document: Document, path: KeyPath, entry: RuleEntry, findings: Findings) -> Iterator[Example]:
    for number, example in enumerate(entry.expect):
        place = document.place((*path, number))
        time = _time(example.time)
        if time is None:
            told = f"time: {example.time!r} is no time with a zone, such as 2026-01-05T12:00:00Z"
            findings.add(FIELD_TYPE, document.place((*path, number, "time")), told)
        else:
            yield Example(entry.name, _facts(example, time), example.holds, place)


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else None


def _facts(example: ExampleEntry, time: datetime) -> dict[str, object]:
    """What the example says, and what a request has anyway; a fact that it does not give is not known."""
    given = {name: getattr(example, name) for name in ("language", "route", "confidence", "margin", "similarity")}
    return {
        "text": example.text,
        "metadata": example.metadata,
        "tenant": example.tenant,
        "tokens": estimated_tokens(example.text) if example.tokens is None else example.tokens,
        "turns": example.turns,
        "time": time,
        **{name: value for name, value in given.items() if value is not None},
    }
