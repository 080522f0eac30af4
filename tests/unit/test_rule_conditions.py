"""Conditions of rules: read, checked, and evaluated as their language says."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from fingerpost.backends.conditions import CelEngine
from fingerpost.bootstrap.planning import rulebook_of
from fingerpost.build.rules.implies import always, implies, never, unguarded_keys
from fingerpost.build.rules.kinds import _CALLS, _METHODS, METADATA, STRING, TIMESTAMP
from fingerpost.build.rules.read import read_condition
from fingerpost.build.rules.syntax import MAX_CHARACTERS, ConditionFault, FaultKind, parse
from fingerpost.patterns import compiled
from fingerpost.rule_ports import ConditionFailed
from fingerpost.serve.rules import Facts, Rulebook, Verdict
from fingerpost.types import RuleStage
from tests.cel_twin import FACTS, SOURCES, NoValueError, evaluate
from tests.rules import rule


def evaluated(source: str, facts: Mapping[str, Any] = FACTS) -> bool | None:
    """What the engine says; None where the expression has no value."""
    read = read_condition(source, RuleStage.AFTER)
    engine = CelEngine()
    condition = engine.compile(read.expression, read.patterns)
    try:
        return engine.begin().holds(condition, read.reads, facts)
    except ConditionFailed:
        return None


def by_the_twin(source: str, facts: Mapping[str, Any] = FACTS) -> bool | None:
    try:
        return bool(evaluate(parse(source), facts))
    except NoValueError:
        return None


@settings(max_examples=400, deadline=None)
@given(SOURCES)
@example("-7 / 2 == -3")
@example("-7 % 2 == -1")
@example("9223372036854775807 + 1 > 0 || true")
@example("confidence / 0.0 > 5.0")
@example("text.length() == 25")
@example("'a' < 'B'")
@example("1 == 1.0")
@example("metadata.missing == 'x' && false")
def test_the_engine_says_what_the_language_says(source: str) -> None:
    """Of every condition that passes the checks both evaluators say the same, or that it has no value."""
    assert evaluated(source) == by_the_twin(source)


@settings(max_examples=300, deadline=None)
@given(SOURCES, st.sampled_from(["", "gold", "a", "Trace"]), st.sampled_from(["", "acme", "code"]))
def test_what_a_need_rules_out_is_false(source: str, text: str, tenant: str) -> None:
    """Where a literal that is needed is not there the engine says false: no error, no truth."""
    facts = {**FACTS, "text": text, "tenant": tenant}
    [judged] = rulebook_of([rule("r", source, RuleStage.AFTER, model="m")]).judge_alone(Facts(dict(facts)))
    if judged.verdict is Verdict.RULED_OUT:
        assert evaluated(source, facts) is False


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ('text.contains("refund") && tokens > 3', ["refund"]),
        ('"acme" == tenant', ["acme"]),
        ('metadata.tier in ["gold", "silver"] && metadata["x"] == "y"', ["gold", "silver", "y"]),
        ('text.contains("a") || text.contains("b")', []),
        ('!text.contains("a")', []),
        ('text.lower().contains("a")', []),
        ('(text.startsWith("a") && text.endsWith("b"))', ["a", "b"]),
    ],
)
def test_needs_are_found(source: str, needed: list[str]) -> None:
    """Literals of conjuncts are, those of alternatives and negations are not."""
    needs = read_condition(source, RuleStage.AFTER).needs
    assert [literal for need in needs for literal in need.literals] == needed


@settings(max_examples=400, deadline=None)
@given(SOURCES, SOURCES, st.sampled_from(["", "gold", "Trace"]), st.integers(0, 60))
def test_implications_hold(one: str, other: str, text: str, tokens: int) -> None:
    """What is said to force another never holds without it, and what is never true never holds."""
    facts = {**FACTS, "text": text, "tokens": tokens}
    first, second = parse(one), parse(other)
    if implies(first, second) and by_the_twin(one, facts) is True:
        assert by_the_twin(other, facts) is True
    if never(first):
        assert by_the_twin(one, facts) is not True
    if always(first):
        assert by_the_twin(one, facts) is True


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('tenant == "a" && tokens > 100', "tokens > 50"),
        ('tenant == "a"', 'tenant in ["a", "b"]'),
        ('text.contains("refund now")', 'text.contains("refund")'),
        ('text.startsWith("abc")', 'text.startsWith("ab")'),
        ('text.startsWith("abc")', 'text.contains("b")'),
        ("tokens == 7", "tokens >= 7"),
        ("turns < 3", "3 > turns"),
        ('tenant == "a"', 'tenant == "a" || tokens > 5'),
        ('tenant == "a"', 'tenant != "b"'),
        ('tenant == "a" || tenant == "b"', 'tenant in ["b", "a"]'),
        ("tokens > 3", "true"),
    ],
)
def test_implications_are_found(one: str, other: str) -> None:
    """In this direction alone."""
    assert implies(parse(one), parse(other))
    if other != "true" and not implies(parse(other), parse(one)):
        assert one != other


@pytest.mark.parametrize(
    "source",
    [
        'tenant == "a" && tenant == "b"',
        "tokens > 10 && tokens < 5",
        'tokens > 10 && text == "a" && false',
        'text == "refund" && !text.contains("fund")',
        'tenant in ["a", "b"] && tenant == "c"',
        "tokens == 3 && tokens != 3",
    ],
)
def test_contradictions_are_found(source: str) -> None:
    """Whatever stands between the two sides."""
    assert never(parse(source))


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ('metadata.a == "x"', ["a"]),
        ('has(metadata.a) && metadata.a == "x"', []),
        ('"a" in metadata && metadata["a"] == "x" && metadata.b == "y"', ["b"]),
        ('metadata.a == "x" && has(metadata.a)', ["a"]),
    ],
)
def test_keys_that_may_be_missing(source: str, keys: list[str]) -> None:
    """A key counts as there when a conjunct before says so."""
    assert list(unguarded_keys(parse(source))) == keys


@pytest.mark.parametrize(
    ("source", "kind", "word"),
    [
        ('text.contains("a"', FaultKind.SYNTAX, "ends too early"),
        ('text = "a"', FaultKind.SYNTAX, "=="),
        ('text == "a" & tokens > 1', FaultKind.SYNTAX, "&&"),
        ("", FaultKind.SYNTAX, "ends too early"),
        ("null == null", FaultKind.SYNTAX, "null"),
        (r"text == '\q'", FaultKind.SYNTAX, "backslash"),
        ("99999999999999999999 > tokens", FaultKind.SYNTAX, "too large"),
        ('txt == "a"', FaultKind.NAME, "did you mean text"),
        ('text.contain("a")', FaultKind.NAME, "did you mean contains"),
        ("now() > 3", FaultKind.NAME, "unknown function"),
        ("tokens", FaultKind.TYPE, "true or false"),
        ("metadata.tier == 1", FaultKind.TYPE, "compared"),
        ("tokens + 1.5 > 2", FaultKind.TYPE, "convert"),
        ('tokens && text == "a"', FaultKind.TYPE, "truths"),
        ("text.contains(1)", FaultKind.TYPE, "contains takes"),
        ("text.size() > 3", FaultKind.NAME, "length"),
        ("tenant.tier == 'a'", FaultKind.TYPE, "metadata"),
        ("metadata.all(k, int(metadata[k]) > 3)", FaultKind.TYPE, "over metadata"),
        ("time < timestamp('2026-01-01T00:00:00+02:00')", FaultKind.TYPE, "2026-01-05T12:00:00Z"),
        ("time - time > duration('soon')", FaultKind.TYPE, "90m"),
        ("has(text)", FaultKind.TYPE, "has takes"),
        ("[1, 'a'] == [1]", FaultKind.TYPE, "elements"),
        ("text.matches(tenant)", FaultKind.PATTERN, "quotes"),
        ("text.matches('(?=a)')", FaultKind.PATTERN, "(?="),
        (r"text.matches(r'(a)\1')", FaultKind.PATTERN, "escape"),
        (f"text.matches('{'a' * 600}')", FaultKind.PATTERN, "512"),
        ("true || " * 300 + "true", FaultKind.COST, "characters"),
        ("(" * 40 + "true" + ")" * 40, FaultKind.COST, "brackets"),
        ("!" * 250 + "true", FaultKind.COST, "within parts"),
        (" || ".join(["text.contains('a')"] * 65), FaultKind.COST, "64"),
        ("['a'].all(x, ['b'].all(y, x == y))", FaultKind.COST, "inside another"),
        (f"tokens in [{', '.join(map(str, range(101)))}]", FaultKind.COST, "100 elements"),
    ],
)
def test_faults_are_told(source: str, kind: FaultKind, word: str) -> None:
    """Each with its kind, a place, and what to do."""
    with pytest.raises(ConditionFault, match=re.escape(word)) as caught:
        read_condition(source, RuleStage.BEFORE)
    assert caught.value.kind is kind
    assert 0 <= caught.value.column <= max(len(source), MAX_CHARACTERS)


@pytest.mark.parametrize("name", ["route", "confidence", "margin", "similarity"])
def test_scores_are_not_known_before(name: str) -> None:
    """A rule before similarity that reads one is told where it belongs."""
    source = f"{name} == {name}"
    assert read_condition(source, RuleStage.AFTER).reads == (name,)
    with pytest.raises(ConditionFault, match="move the rule to `after`"):
        read_condition(source, RuleStage.BEFORE)


def test_the_engine_has_every_function_of_the_table() -> None:
    """What the check lets pass the engine can do: each function on a value of its kind."""
    values = {STRING: "text", METADATA: "metadata", TIMESTAMP: "time"}
    for (of, name), (takes, _) in _METHODS.items():
        arguments = "'a'" if takes else ""
        assert evaluated(f"{values[of]}.{name}({arguments}) == {values[of]}.{name}({arguments})") is True
    literals = {"string": "'1'", "int": "1", "double": "1.0", "bool": "true", "map": "metadata"}
    special = {"timestamp": "'2026-01-01T00:00:00Z'", "duration": "'1h'"}
    for name, (kinds, _) in _CALLS.items():
        for kind in kinds:
            argument = special.get(name, literals[kind])
            assert evaluated(f"{name}({argument}) == {name}({argument})") is True


GOOD = [
    'text.contains("a") && metadata.tier == "b" || !(tokens > 3)',
    "['a'].exists(w, text.contains(w)) ? true : false",
]


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=60), st.sampled_from(GOOD)), st.integers(0, 60), st.text(max_size=5))
def test_garbage_is_refused_with_a_fault(source: str, place: int, inserted: str) -> None:
    """Whatever is written, and whatever is written into a good condition: a condition or a fault, nothing else."""
    written = source[:place] + inserted + source[place:]
    with suppress(ConditionFault):
        assert set(read_condition(written, RuleStage.BEFORE).reads) <= set(FACTS)


CATASTROPHIC = ["(a+)+$", "(a|a)*$", "(.*a){20}", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y", "(?:a?){50}a{50}"]


@pytest.mark.fault("I16")
@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_patterns_that_explode_elsewhere_do_not_here(pattern: str) -> None:
    """They are matched, as linear time has no bad case; the time itself is in the micro benchmarks."""
    assert compiled(pattern).search("a" * 65_536 + "!") is not None or pattern != "(.*a){20}"


@pytest.mark.fault("I16")
@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?<!a)b", r"(a)\1", "(?P<x>a)(?P=x)", "x{1000}{1000}", "(", "[", "*", "(?i", "\ud800"]
)
def test_patterns_that_are_not_regular_are_refused(pattern: str) -> None:
    """With what is wrong, and never anything but a ValueError."""
    with pytest.raises(ValueError, match="cannot be used"):
        compiled(pattern)


@pytest.mark.fault("I16")
@pytest.mark.parametrize("pattern", ["|".join([r"[\p{L}\p{N}]{900}"] * 20), r"\p{L}{50}x", "(?:[ab]{0,20}a){30}Z"])
def test_a_pattern_that_takes_much_is_refused(pattern: str) -> None:
    """Memory, or steps for each letter of a text: before it is matched."""
    with pytest.raises(ValueError, match=r"too large|instructions"):
        compiled(pattern)


@pytest.mark.fault("I16")
@settings(max_examples=1_000, deadline=None)
@given(st.text(alphabet="ab(){}[]|*+?.^$\\d1,-", max_size=40))
def test_any_pattern_is_compiled_or_refused(pattern: str) -> None:
    """Ten thousand of them by hand: --hypothesis-seed and max_examples; here a thousand."""
    found = None
    with suppress(ValueError):
        found = compiled(pattern)
    if found is not None:
        twice = [found.search("ab" * 100) for _ in range(2)]
        assert (twice[0] is None) == (twice[1] is None)


class CountingDetector:
    """Says that everything is German, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, text: str) -> str:
        self.asked += 1
        return "de"


@pytest.mark.parametrize(
    ("sources", "asked"),
    [
        (["tokens > 1"], 0),
        (['language == "de"', 'language != "en" && tokens > 100'], 1),
        (['text.contains("zebra") && language == "de"'], 0),
        (['text.contains("Trace") && language == "fr"'], 1),
    ],
)
def test_a_language_is_only_detected_when_it_matters(sources: list[str], asked: int) -> None:
    """Once a request, and not for a rule that a literal rules out."""
    detector = CountingDetector()
    rules = [rule(f"r{number}", source, model="m", goes_on=True) for number, source in enumerate(sources)]
    facts = Facts({name: value for name, value in FACTS.items() if name != "language"}, detector)
    Rulebook(rules, CelEngine(), detector).judge_alone(facts)
    assert detector.asked == asked
