"""Rules: what do the policy's expressions say of this request? Judged in two steps, before and after similarity."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from fingerpost.rule_ports import Condition, ConditionEngine, ConditionFailed, Evaluation, LanguageDetector
from fingerpost.serve.inventory import NO_DEMANDS, both
from fingerpost.types import Decider, Demands, Judgement, NeedKind, Rule, RuleStage

SCORED = frozenset({"route", "confidence", "margin", "similarity"})
"""Facts that are known when the scores are."""


class Verdict(StrEnum):
    """What came of judging a rule."""

    HOLDS = "HOLDS"
    RULED_OUT = "RULED_OUT"  # by its literals alone
    DOES_NOT_HOLD = "DOES_NOT_HOLD"
    UNKNOWN = "UNKNOWN"  # it reads a fact that this request does not have
    FAILED = "FAILED"  # it has no value for this request


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule and what came of it."""

    rule: Rule
    verdict: Verdict
    why: str = ""  # of FAILED
    takes_effect: bool = field(init=False)

    def __post_init__(self) -> None:
        """It takes effect when it holds, or is final and cannot be judged: then the strict reading is taken."""
        strict = self.rule.final and self.verdict in (Verdict.UNKNOWN, Verdict.FAILED)
        object.__setattr__(self, "takes_effect", self.verdict is Verdict.HOLDS or strict)


@dataclass(slots=True)
class Facts:
    """What is known of a request; a language is only detected when a rule asks for it."""

    known: dict[str, object]
    detector: LanguageDetector | None = None

    def detect(self) -> None:
        """Find the language out, if it can be and is not known."""
        text = self.known.get("text")
        if self.detector is not None and isinstance(text, str):
            self.known["language"] = self.detector.detect(text)


def _is_one_of(value: str, literals: tuple[str, ...]) -> bool:
    return value in literals


_MEETS: Mapping[NeedKind, Callable[[str, Any], bool]] = {
    NeedKind.CONTAINS: str.__contains__,
    NeedKind.STARTS_WITH: str.startswith,
    NeedKind.ENDS_WITH: str.endswith,
    NeedKind.EQUALS: _is_one_of,
}


class _Ready:
    """A rule with its compiled expression, and each verdict that says nothing more: made once, not for each request."""

    __slots__ = ("asks_language", "condition", "fails", "holds", "needs", "reads", "rule", "ruled_out", "unknown")

    def __init__(self, rule: Rule, condition: Condition) -> None:
        self.rule = rule
        self.condition = condition
        self.reads = frozenset(rule.reads)
        self.asks_language = "language" in self.reads
        self.needs = tuple(
            (
                need.fact,
                need.key,
                _MEETS[need.kind],
                need.literals if need.kind is NeedKind.EQUALS else need.literals[0],
            )
            for need in rule.needs
        )
        self.ruled_out = Judged(rule, Verdict.RULED_OUT)
        self.fails = Judged(rule, Verdict.DOES_NOT_HOLD)
        self.holds = Judged(rule, Verdict.HOLDS)
        self.unknown = Judged(rule, Verdict.UNKNOWN)

    def is_ruled_out(self, known: Mapping[str, Any]) -> bool:
        """Whether a literal that it needs is not there; a fact that is not known rules nothing out."""
        for fact, key, meets, literal in self.needs:
            value = known.get(fact)
            if key and value is not None:
                value = value.get(key)
            if value is not None and not meets(value, literal):
                return True
        return False


def facts_of(
    text: str | None,
    *,
    metadata: Mapping[str, str],
    tenant: str,
    tokens: int,
    turns: int,
    time: datetime,
    detector: LanguageDetector | None,
) -> Facts:
    """What is known before similarity; `text` is None for a request that brings a vector."""
    known: dict[str, object] = {
        "metadata": metadata,
        "tenant": tenant,
        "tokens": tokens,
        "turns": turns,
        "time": time,
    }
    if text is not None:
        known["text"] = text
    return Facts(known, detector)


def scores_of(judgement: Judgement, decider: Decider, margin: float | None) -> dict[str, object]:
    """What is known once the scores are: of the best route, whether it will be taken or not."""
    if not judgement.candidates:
        return {"route": ""}
    best = judgement.candidates[0]
    found: dict[str, object] = {"route": decider.routes[best.route].name, "similarity": best.similarity}
    if best.confidence is not None and margin is not None:
        found |= {"confidence": best.confidence, "margin": margin}
    return found


def actions_of(rule: Rule) -> str:
    """What a rule does, in words."""
    demands = rule.demands
    parts = [
        f"route {rule.route}" if rule.route else "",
        f"model {rule.model}" if rule.model else "",
        *(f"only {', '.join(sorted(names))}" for names in demands.allowed),
        f"not {', '.join(sorted(demands.forbidden))}" if demands.forbidden else "",
        f"must have {', '.join(sorted(demands.capabilities))}" if demands.capabilities else "",
        f"must not have {', '.join(sorted(demands.forbidden_capabilities))}" if demands.forbidden_capabilities else "",
        *(f"in {' or '.join(sorted(names))}" for names in demands.regions),
        f"good at {', '.join(sorted(demands.languages))}" if demands.languages else "",
        "" if rule.min_confidence is None else f"confidence of at least {rule.min_confidence:g}",
    ]
    return "; ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What all rules together say."""

    route: str | None = None
    model: str | None = None
    model_is_final: bool = False  # only final rules may stand against it
    demands: Demands = NO_DEMANDS
    final_demands: Demands = NO_DEMANDS
    min_confidence: float | None = None
    judged: tuple[Judged, ...] = ()  # in order
    rules: tuple[str, ...] = ()  # names of those that take effect
    unjudged: bool = False  # a final rule takes effect only because it cannot be judged

    @property
    def decides(self) -> bool:
        """A rule says where the request goes."""
        return self.route is not None or self.model is not None


NO_RULING = Ruling()


class Rulebook:
    """A catalog's rules, made ready."""

    def __init__(
        self,
        rules: Sequence[Rule],
        engine: ConditionEngine | None = None,
        detector: LanguageDetector | None = None,
    ) -> None:
        """Compile them.

        Args:
            rules: In order.
            engine: None only where there are no rules.
            detector: None: the language of a text is not known.

        Raises:
            ValueError: the engine cannot read one.
        """
        self._engine = engine
        self.detector = detector
        ready = [_Ready(rule, self._compiled(rule)) for rule in rules]
        ordinary = [one for one in ready if not one.rule.final]
        finals = [one for one in ready if one.rule.final]
        self.before = tuple(one for one in ordinary if one.rule.stage is RuleStage.BEFORE)
        self.after = tuple(one for one in ordinary if one.rule.stage is RuleStage.AFTER)
        self.final_early = tuple(one for one in finals if SCORED.isdisjoint(one.reads))
        self.final_late = tuple(one for one in finals if not SCORED.isdisjoint(one.reads))
        self.is_empty = not ready

    def sitting(self, facts: Facts) -> "Sitting":
        """Judge one request."""
        if self._engine is None:
            raise ValueError("there are no rules to be judged")
        return Sitting(self, facts, self._engine.begin())

    def judge_alone(self, facts: Facts) -> list[Judged]:
        """What comes of each rule, whatever the others say."""
        sitting = self.sitting(facts)
        return [sitting.judge(one) for one in (*self.before, *self.after, *self.final_early, *self.final_late)]

    def _compiled(self, rule: Rule) -> Condition:
        if self._engine is None:
            raise ValueError("rules need an engine for their expressions")
        return self._engine.compile(rule.expression, rule.patterns)


NO_RULES = Rulebook(())


class Sitting:
    """The rules judged for one request, in two steps."""

    def __init__(self, book: Rulebook, facts: Facts, evaluation: Evaluation) -> None:
        self._book = book
        self._facts = facts
        self._evaluation = evaluation
        self._listed: list[Judged] = []  # rules of the lists, then
        self._finals: list[Judged] = []  # those that come last

    def before(self) -> Ruling:
        """What can be said before similarity is asked."""
        return self._step(self._book.before, self._book.final_early)

    def after(self, scores: Mapping[str, object]) -> Ruling:
        """What is said in the end; `scores` as far as they are known."""
        self._facts.known.update(scores)
        return self._step(self._book.after, self._book.final_late)

    def settles(self, ruling: Ruling) -> bool:
        """Whether a decision needs no scores any more: a rule says where to go, and no final rule waits for them."""
        known = {"route"} if ruling.route is not None else set()
        return ruling.decides and all(SCORED & one.reads <= known for one in self._book.final_late)

    def _step(self, listed: Sequence[_Ready], finals: Sequence[_Ready]) -> Ruling:
        self._listed += self._first(listed)
        self._finals += [self.judge(one) for one in finals]
        return _ruling(self._listed, self._finals)

    def _first(self, listed: Sequence[_Ready]) -> Iterator[Judged]:
        """Up to the first that holds and does not go on."""
        for one in listed:
            judged = self.judge(one)
            yield judged
            if judged.takes_effect and not one.rule.goes_on:
                return

    def judge(self, one: _Ready) -> Judged:
        """What comes of one rule."""
        facts = self._facts
        if one.is_ruled_out(facts.known):
            return one.ruled_out
        if one.asks_language and "language" not in facts.known:  # last, since it costs more than all else
            facts.detect()
            if one.is_ruled_out(facts.known):
                return one.ruled_out
        if not facts.known.keys() >= one.reads:
            return one.unknown
        try:
            holds = self._evaluation.holds(one.condition, one.reads, facts.known)
        except ConditionFailed as error:
            return Judged(one.rule, Verdict.FAILED, str(error))
        return one.holds if holds else one.fails


def _ruling(listed: Sequence[Judged], finals: Sequence[Judged]) -> Ruling:
    """Of final rules the first that says where to go is followed, else of the others."""
    judged = (*listed, *finals)
    effective = [one for one in judged if one.takes_effect]
    if not effective:
        return Ruling(judged=judged)
    ruling = NO_RULING
    for one in sorted(effective, key=lambda each: not each.rule.final):  # stable
        ruling = _with(ruling, one.rule)
    names = tuple(one.rule.name for one in effective)
    return replace(
        ruling, judged=judged, rules=names, unjudged=any(one.verdict is not Verdict.HOLDS for one in effective)
    )


def _with(ruling: Ruling, rule: Rule) -> Ruling:
    """The ruling after one rule more."""
    floors = [floor for floor in (ruling.min_confidence, rule.min_confidence) if floor is not None]
    added = replace(
        ruling,
        demands=both(ruling.demands, rule.demands),
        final_demands=both(ruling.final_demands, rule.demands) if rule.final else ruling.final_demands,
        min_confidence=max(floors, default=None),
    )
    if ruling.decides or (rule.route is None and rule.model is None):
        return added
    return replace(added, route=rule.route, model=rule.model, model_is_final=rule.final and rule.model is not None)
