"""Rules and catalogs that have some, for tests."""

from dataclasses import replace
from typing import Any

from fingerpost.bootstrap.planning import plan_of
from fingerpost.build.rules.read import read_condition
from fingerpost.serve.runtime import Snapshot
from fingerpost.types import Model, Rule, RuleStage
from tests.fakes import snapshot

BEFORE, AFTER = RuleStage.BEFORE, RuleStage.AFTER


def rule(name: str, when: str, stage: RuleStage = BEFORE, **actions: Any) -> Rule:
    """A rule as a reindex would make it."""
    read = read_condition(when, stage)
    return Rule(name, stage, when, read.expression, read.reads, read.needs, read.patterns, **actions)


def ruled(*rules: Rule, models: tuple[Model, ...] = (), base: Snapshot | None = None, **policy: Any) -> Snapshot:
    """A catalog with these rules; `models` take the place of those of the same names."""
    shown = base or snapshot()
    decider = shown.decider
    changed = replace(
        decider,
        models={**decider.models, **{model.name: model for model in models}},
        policy=replace(decider.policy, rules=rules, **policy),
    )
    return replace(shown, plan=plan_of(changed))
