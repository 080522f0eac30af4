"""Rules: what do the policy's expressions say of this request? Judged in two steps, before and after similarity."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from fingerpost.ports import Condition, ConditionEngine, ConditionFailed, Evaluation, LanguageDetector
from fingerpost.serve.inventory import both
from fingerpost.types import Decider, Demands, Judgement, Need, NeedKind, Rule, RuleStage

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

    @property
    def takes_effect(self) -> bool:
        """It holds, or it is final and cannot be judged: then the strict reading is taken."""
        return self.verdict is Verdict.HOLDS or (self.rule.final and self.verdict in (Verdict.UNKNOWN, Verdict.FAILED))


@dataclass(slots=True)
class Facts:
    """What is known of a request; a language is only detected when a rule asks for it."""

    known: dict[str, object]
    detector: LanguageDetector | None = None

    def of(self, rule: Rule) -> dict[str, object] | None:
        """Those that the rule reads; None where one is not known."""
        if "language" in rule.reads and "language" not in self.known:
            self._detect()
        known = self.known
        return {name: known[name] for name in rule.reads} if all(name in known for name in rule.reads) else None

    def meets(self, needs: Sequence[Need]) -> bool:
        """Whether no literal rules an expression out; a fact that is not known rules nothing out."""
        return all(self._meets(need) for need in needs)

    def _meets(self, need: Need) -> bool:
        if need.fact == "language" and "language" not in self.known:
            self._detect()
        value = self.known.get(need.fact)
        if need.key and isinstance(value, Mapping):
            value = value.get(need.key)
        return _MEETS[need.kind](value, need.literals) if isinstance(value, str) else True

    def _detect(self) -> None:
        text = self.known.get("text")
        if self.detector is not None and isinstance(text, str):
            self.known["language"] = self.detector.detect(text)


_MEETS: Mapping[NeedKind, Callable[[str, tuple[str, ...]], bool]] = {
    NeedKind.CONTAINS: lambda value, literals: literals[0] in value,
    NeedKind.STARTS_WITH: lambda value, literals: value.startswith(literals[0]),
    NeedKind.ENDS_WITH: lambda value, literals: value.endswith(literals[0]),
    NeedKind.EQUALS: lambda value, literals: value in literals,
}


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
    demands: Demands = field(default_factory=Demands)
    final_demands: Demands = field(default_factory=Demands)
    min_confidence: float | None = None
    judged: tuple[Judged, ...] = ()  # in order

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of those that take effect."""
        return tuple(one.rule.name for one in self.judged if one.takes_effect)

    @property
    def unjudged(self) -> bool:
        """A final rule takes effect only because it cannot be judged."""
        return any(one.takes_effect and one.verdict is not Verdict.HOLDS for one in self.judged)

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
        self._conditions = {rule.name: self._compiled(rule) for rule in rules}
        ordinary = [rule for rule in rules if not rule.final]
        self._before = [rule for rule in ordinary if rule.stage is RuleStage.BEFORE]
        self._after = [rule for rule in ordinary if rule.stage is RuleStage.AFTER]
        self._final_early = [rule for rule in rules if rule.final and SCORED.isdisjoint(rule.reads)]
        self._final_late = [rule for rule in rules if rule.final and not SCORED.isdisjoint(rule.reads)]

    @property
    def is_empty(self) -> bool:
        return not self._conditions

    def sitting(self, facts: Facts) -> "Sitting":
        """Judge one request."""
        if self._engine is None:
            raise ValueError("there are no rules to be judged")
        return Sitting(self, facts, self._engine.begin())

    def judge_alone(self, rule: Rule, facts: Facts) -> Judged:
        """What comes of one rule, whatever the others say."""
        return self.sitting(facts).judge(rule)

    def early(self) -> tuple[Sequence[Rule], Sequence[Rule]]:
        """The list judged before similarity, and the final rules that need no scores."""
        return self._before, self._final_early

    def late(self) -> tuple[Sequence[Rule], Sequence[Rule]]:
        """The list judged when scores are known, and the final rules that need them."""
        return self._after, self._final_late

    def condition(self, rule: Rule) -> Condition:
        return self._conditions[rule.name]

    def _compiled(self, rule: Rule) -> Condition:
        if self._engine is None:
            raise ValueError("rules need an engine for their expressions")
        return self._engine.compile(rule.when, rule.patterns)


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
        listed, finals = self._book.early()
        self._listed += self._first(listed)
        self._finals += [self.judge(rule) for rule in finals]
        return self._ruling()

    def after(self, scores: Mapping[str, object]) -> Ruling:
        """What is said in the end; `scores` as far as they are known."""
        self._facts.known.update(scores)
        listed, finals = self._book.late()
        self._listed += self._first(listed)
        self._finals += [self.judge(rule) for rule in finals]
        return self._ruling()

    def settles(self, ruling: Ruling) -> bool:
        """Whether a decision needs no scores any more: a rule says where to go, and no final rule waits for them."""
        _, finals = self._book.late()
        known = {"route"} if ruling.route is not None else set()
        return ruling.decides and all(SCORED.intersection(rule.reads) <= known for rule in finals)

    def _first(self, rules: Sequence[Rule]) -> Iterator[Judged]:
        """Up to the first that holds and does not go on."""
        for rule in rules:
            judged = self.judge(rule)
            yield judged
            if judged.takes_effect and not rule.goes_on:
                return

    def judge(self, rule: Rule) -> Judged:
        """What comes of one rule."""
        if not self._facts.meets(rule.needs):
            return Judged(rule, Verdict.RULED_OUT)
        facts = self._facts.of(rule)
        if facts is None:
            return Judged(rule, Verdict.UNKNOWN)
        try:
            holds = self._evaluation.holds(self._book.condition(rule), facts)
        except ConditionFailed as error:
            return Judged(rule, Verdict.FAILED, str(error))
        return Judged(rule, Verdict.HOLDS if holds else Verdict.DOES_NOT_HOLD)

    def _ruling(self) -> Ruling:
        ruling = NO_RULING
        for judged in (*self._finals, *self._listed):  # the first that says where to go is followed
            if judged.takes_effect:
                ruling = _with(ruling, judged.rule)
        return replace(ruling, judged=(*self._listed, *self._finals))


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
