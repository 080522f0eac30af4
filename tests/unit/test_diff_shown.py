"""What a diff says to a person and to a program."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fingerpost.build.diff.causes import Cause, CauseKind
from fingerpost.build.diff.diff import Diff
from fingerpost.build.diff.prices import Tokens
from fingerpost.build.diff.texts import TextsKind
from fingerpost.cli.diff import print_diff, print_json, print_since
from fingerpost.cli.diff_words import cause_words
from fingerpost.types import (
    Arm,
    BreakerRules,
    Budget,
    BudgetOf,
    BudgetPer,
    EncoderId,
    Experiment,
    Model,
    Revision,
    Rule,
    RuleStage,
    WhenSpent,
)
from tests.revisions import diff_between, revision_of

PRICED = tuple(
    Model(name, name, input_price_usd_micros=price, output_price_usd_micros=4 * price)
    for name, price in (("code", 1_000_000), ("maths", 2_000_000), ("big", 3_000_000))
)
ROUTES = {"code": ["fix this bug"], "maths": ["add these numbers"], "sql": ["join two tables"]}
BEFORE = revision_of(ROUTES, threshold=0.8, known_models=PRICED)
AFTER = revision_of(
    {**ROUTES, "maths": ["add these numbers", "fix this bug soon", "fix this bug now"], "sql": []},
    ["hello dear world"],
    digest="b" * 64,
    threshold=0.8,
    known_models=PRICED,
)
LABELS: Mapping[str, str | None] = {
    "fix this bug now": "code",
    "fix this bug soon": "maths",
    "join two tables": "sql",
    "fix this bug": "code",
    "hello dear world": None,
}


def shown(capsys: pytest.CaptureFixture[str], diff: Diff, *, every: bool = False) -> str:
    print_diff(diff, every=every)
    return capsys.readouterr().out


def test_the_groups_are_told_in_the_words_of_route_owners(capsys: pytest.CaptureFixture[str]) -> None:
    """How many of how many go where instead of where, which texts, for better or worse, and why."""
    out = shown(capsys, diff_between(BEFORE, AFTER, LABELS))
    lines = out.splitlines()
    assert "3 of 5 texts are decided otherwise: 1 better, 2 worse, 0 neither." in lines
    place = lines.index("2 of 5 texts now go to `maths` instead of `code`:")
    assert lines[place + 1].startswith('  worse: "fix this bug now" (')
    assert lines[place + 2] == '    "fix this bug now" was added to `maths`'
    assert lines[place + 3].startswith('  better: "fix this bug soon" (')
    place = lines.index("1 now falls back that went to `sql`:")
    assert lines[place + 2] == '    "join two tables" was removed from `sql`'


def test_what_differs_and_what_was_asked_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    """The first lines name the revisions, what changed in them, and the texts; then what one should know of these."""
    first, second, third, *_ = shown(capsys, diff_between(BEFORE, AFTER, LABELS)).splitlines()
    assert first.startswith(f"From revision {'a' * 12} to {'b' * 12}: utterances added: 3 (`maths` 2, the texts out of")
    assert "utterances removed: 1 (`sql` 1)" in first
    assert second == "Asked: the 5 texts of cases.jsonl."
    assert third == "5 of the texts are utterances of one of the revisions, which knows them by heart."


def test_quality_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    """Shares before and after with the interval, the test in words, and the cost with what it assumes and lacks."""
    out = shown(capsys, diff_between(BEFORE, AFTER, LABELS, tokens=Tokens(1_000, 500)))
    assert "decided right  80.0%   60.0%  -20.0" in out
    assert "Were both equally good, 1 better and 2 worse, or a greater difference" in out
    assert "by chance in 100.0% of comparisons (McNemar's exact test)." in out
    assert "1,000 requests of this mix cost $4.50 before and $6.00 now (+33.3%), at 1,000 input and 500 output" in out
    assert "`sql` has no price in _models.yaml: its texts are left out of the cost, before and now." in out


def test_many_models_without_a_price_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A line names a few of them, and how many more there are."""
    routes = {f"route{number}": [f"word{number}"] for number in range(8)}
    out = shown(
        capsys, diff_between(revision_of(routes), revision_of(routes), dict.fromkeys(map("word{}".format, range(8))))
    )
    assert "`route4` and 3 more models have no price in _models.yaml: their texts are left out" in out


def test_nothing_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence says so, in a diff and in a reindex."""
    same = diff_between(BEFORE, replace(BEFORE, digest="b" * 64), LABELS)
    out = shown(capsys, same)
    assert "nothing that decides differs." in out
    assert "No decision of the 5 texts changed." in out
    print_since(replace(same, kind=TextsKind.TESTS))
    assert capsys.readouterr().out == f"Since revision {'a' * 12} no decision of the 5 test texts changed.\n"


def test_one_revision_is_named_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """Comparing a revision with itself is told, not refused."""
    assert "they are one and the same." in shown(capsys, diff_between(BEFORE, BEFORE, LABELS))


def test_a_reindex_says_it_in_short(capsys: pytest.CaptureFixture[str]) -> None:
    """Headline, groups, quality in one line, and the command that shows all; a sample is called one."""
    diff = replace(diff_between(BEFORE, AFTER, LABELS), kind=TextsKind.TESTS, total=9_000)
    print_since(diff)
    out = capsys.readouterr().out
    assert out.startswith(f"Since revision {'a' * 12} 3 of 5 test texts are decided otherwise: 1 better, 2 worse")
    assert "Only 5 of the 9,000 test texts were compared, evenly picked." in out
    assert "2 of 5 test texts now go to `maths` instead of `code`:" in out
    assert "Decided right: 80.0% before, 60.0% now; change -20.0 points, 95 % interval" in out
    assert out.endswith(f"All of them: fingerpost diff {'a' * 12} {'b' * 12} --all\n")


def test_few_texts_are_shown_unless_all_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a large group three are shown and the rest is counted; --all shows each."""
    labels = {f"fix this bug {word}": "code" for word in ("now", "soon", "later", "today", "again")}
    after = revision_of({"maths": [*labels, "add these numbers"]}, threshold=0.5)
    diff = diff_between(BEFORE, after, labels)
    few, every = shown(capsys, diff), shown(capsys, diff, every=True)
    assert (few.count("  worse: "), every.count("  worse: ")) == (3, 5)
    assert "  ... and 2 more" in few
    assert "more" not in every.split("\n\n")[1]


def test_without_labels_nothing_is_called_better(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the changes are told, and that nobody says which decision is right."""
    out = shown(capsys, diff_between(BEFORE, AFTER, LABELS, labelled=False))
    assert "Asked: the 5 texts of cases.jsonl, which have no labels: nobody says which decision is right." in out
    assert "3 of 5 texts are decided otherwise.\n" in out
    assert "better" not in out
    assert "decided right" not in out
    assert "coverage" in out


def test_texts_of_a_terminal_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """What looks like markup or spans lines in a text is shown as it is, on one line."""
    text = "fix [red]this[/red] bug"
    after = revision_of({"maths": [text], "code": ["other words"]}, threshold=0.0)
    out = shown(capsys, diff_between(revision_of({"code": [text]}), after, {text: None}, labelled=False))
    assert f'"{text}" was moved from `code` to `maths`' in out


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (Cause(CauseKind.ROUTE_ADDED, "a"), "`a` is a new route"),
        (Cause(CauseKind.ROUTE_REMOVED, "a"), "the route `a` is gone"),
        (Cause(CauseKind.ROUTE_RENAMED, "b", None, "a", "b"), "the route `a` is now called `b`"),
        (Cause(CauseKind.MODEL_CHANGED, "a", None, "x", "y"), "the model of `a` is now `y`, it was `x`"),
        (Cause(CauseKind.MODEL_CHANGED, None, None, "x", "y"), "the model of the fallback is now `y`, it was `x`"),
        (Cause(CauseKind.UTTERANCE_ADDED, "a", "hi {x}"), '"hi {x}" was added to `a`'),
        (Cause(CauseKind.UTTERANCE_ADDED, None, "hi"), '"hi" was added to the texts out of scope'),
        (Cause(CauseKind.UTTERANCE_MOVED, "a", "hi", None, "a"), '"hi" was moved from the texts out of scope to `a`'),
        (Cause(CauseKind.UTTERANCE_REMOVED, "a", "hi"), '"hi" was removed from `a`'),
        (Cause(CauseKind.OTHER_NEARER, "a", "hi"), '"hi" of `a`, which is no new one, is nearest now'),
        (Cause(CauseKind.THRESHOLD_CHANGED, "a", None, 0.5, 0.75), "the threshold of `a` is now 0.7500, it was 0.5000"),
        (
            Cause(CauseKind.CALIBRATION_CHANGED, "a", None, None, 0.75),
            "the confidence was calibrated anew: 0.7500, it was none",
        ),
        (Cause(CauseKind.ENCODER_CHANGED, None, None, "x", "y"), "the encoder is now `y`, it was `x`"),
    ],
)
def test_each_cause_has_its_words(cause: Cause, words: str) -> None:
    """A cause names what it is about, and a text's own braces stay."""
    assert cause_words(cause) == words


def test_every_kind_of_cause_has_words() -> None:
    """None is left without a sentence."""
    assert all(cause_words(Cause(kind, "a", "hi", "x", "y")) for kind in CauseKind)


def test_what_changed_in_the_revisions_has_words(capsys: pytest.CaptureFixture[str]) -> None:
    """New, gone and renamed routes, models, thresholds that changed alike, and the encoder stand in the first line."""
    before = revision_of({"a": ["one two"], "b": ["three"], "c": ["four"], "d": ["five"]}, threshold=0.5)
    after = revision_of(
        {"z": ["one two"], "b": ["three"], "c": ["four"], "e": []},
        digest="b" * 64,
        threshold=0.25,
        models={"b": "big"},
        fallback_model="huge",
        encoder=EncoderId("e" * 64, "other", 32, 256),
    )
    first = shown(capsys, diff_between(before, after, {})).splitlines()[0]
    for words in (
        "new route `e`",
        "route `d` is gone",
        "route `a` is now called `z`",
        "model of the fallback: `huge`, was `big`",
        "model of `b`: `big`, was `b`",
        "threshold of `b`, `c`, `z`: 0.2500, was 0.5000",
        "encoder: other, was hash",
    ):
        assert words in first


def test_what_changed_beside_the_routes_has_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Rules, budgets and experiments that came, went or are others, by name; what stayed is not told."""
    base = revision_of({"a": ["one two"]})
    before = with_policy(base, rules=(RULE,), budgets=(BUDGET, replace(BUDGET, name="kept")), experiments=(SPLIT,))
    after = with_policy(
        replace(base, digest="b" * 64),
        rules=(replace(RULE, final=True), replace(RULE, name="new")),
        budgets=(replace(BUDGET, limit_usd_micros=2), replace(BUDGET, name="kept")),
        breakers=BreakerRules(consecutive_failures=2),
    )
    first = shown(capsys, diff_between(before, after, {})).splitlines()[0]
    assert "rules changed: `new`, `r`; budgets changed: `b`; experiments changed: `split`; breakers open" in first
    assert "kept" not in first
    again = replace(before, digest="b" * 64)
    assert "changed" not in shown(capsys, diff_between(before, again, {})).splitlines()[0]


RULE = Rule("r", RuleStage.BEFORE, "true", "true")
BUDGET = Budget("b", BudgetOf.CATALOG, BudgetPer.DAY, 1, WhenSpent.ALERT)
SPLIT = Experiment("split", arms=(Arm("now", 50), Arm("then", 50)))


def with_policy(revision: Revision, **policy: Any) -> Revision:
    decider = revision.decider
    return replace(revision, decider=replace(decider, policy=replace(decider.policy, **policy)))


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Every changed text with its causes, as data and in words; the counts of the groups add up."""
    print_json(diff_between(BEFORE, AFTER, LABELS))
    printed = json.loads(capsys.readouterr().out)
    assert (printed["changed"], printed["better"], printed["worse"]) == (3, 1, 2)
    assert sum(group["count"] for group in printed["groups"]) == 3
    first = printed["groups"][0]
    assert (first["kind"], first["before"], first["after"]) == ("REROUTED", "code", "maths")
    assert first["texts"][0]["effect"] == "WORSE"
    assert first["texts"][0]["causes"][0]["kind"] == "UTTERANCE_ADDED"
    assert first["texts"][0]["why"] == ['"fix this bug now" was added to `maths`']
    assert printed["accuracy"]["change"] == pytest.approx(-0.2)
    assert printed["cost"]["unpriced"] == ["sql"]
