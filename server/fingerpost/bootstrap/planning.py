"""Planning: rules and plans made ready, with the engine and the detector that they need."""

from collections.abc import Sequence
from functools import cache

from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.rule_ports import LanguageDetector
from fingerpost.serve.plan import Plan
from fingerpost.serve.rules import NO_RULES, Rulebook
from fingerpost.types import Decider, Rule

_WARMING = "which language is this text written in?"


def plan_of(decider: Decider) -> Plan:
    """Make a published decider ready.

    Raises:
        FailedPrecondition: ARTEFACT_INCOMPATIBLE, a rule cannot be read here.
    """
    try:
        return Plan.of(decider, rulebook_of(decider.policy.rules))
    except ValueError as error:
        raise FailedPrecondition(
            f"a rule of the revision cannot be read here: {error}: update or reindex",
            ErrorReason.ARTEFACT_INCOMPATIBLE,
        ) from error


def rulebook_of(rules: Sequence[Rule]) -> Rulebook:
    """Make rules ready; what they need is only imported where there are some.

    Raises:
        ValueError: a rule cannot be read here.
    """
    if not rules:
        return NO_RULES
    from fingerpost.backends.conditions import CelEngine

    asks_language = any("language" in rule.reads for rule in rules)
    return Rulebook(rules, CelEngine(), _detector() if asks_language else None)


@cache
def _detector() -> LanguageDetector:
    """One for all catalogs; its tables are read now, which takes a second, and not when the first request asks."""
    from fingerpost.backends.language import LangidDetector

    detector = LangidDetector()
    detector.detect(_WARMING)
    return detector
