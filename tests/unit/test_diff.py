"""Which decisions changed, grouped, for better or worse, with what that does to quality and cost."""

import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.build.diff.diff import ChangeKind, Diff, Effect
from fingerpost.build.diff.prices import Tokens
from fingerpost.types import Model, Revision
from tests.revisions import diff_between, revision_of

BEFORE = revision_of(
    {"code": ["fix this bug", "review my code"], "maths": ["add these numbers"], "sql": ["join two tables"]},
    threshold=0.5,
)
AFTER = revision_of(
    {
        "code": ["fix this bug", "review my code", "good morning friend"],
        "maths": ["add these numbers", "review my sums"],
        "sql": ["join two tables"],
    },
    ["join the army"],
    digest="b" * 64,
    threshold=0.5,
    models={"sql": "middle"},
)
LABELS: dict[str, str | None] = {
    "fix this bug": "code",
    "review my sums": "maths",
    "join the army": None,
    "good morning friend": None,
    "join two tables": "sql",
}
"""As it was, better, better, worse, and the same route with another model."""


def shapes(diff: Diff) -> list[tuple[ChangeKind, str | None, str | None, int]]:
    return [(group.kind, group.before, group.after, len(group.texts)) for group in diff.groups]


@pytest.fixture(scope="module")
def diff() -> Diff:
    return diff_between(BEFORE, AFTER, LABELS)


def test_texts_whose_decisions_changed_alike_are_a_group(diff: Diff) -> None:
    """Each group tells from where to where; what is decided as before is in none."""
    assert sorted(shapes(diff), key=str) == [
        (ChangeKind.FELL_BACK, "sql", None, 1),
        (ChangeKind.REMODELLED, "sql", "sql", 1),
        (ChangeKind.REROUTED, "code", "maths", 1),
        (ChangeKind.ROUTED, None, "code", 1),
    ]
    assert (diff.texts, diff.changed, diff.before, diff.after) == (5, 4, "a" * 64, "b" * 64)


def test_better_and_worse_are_counted(diff: Diff) -> None:
    """Right now and not before is better; a group's worst texts come first; another model is neither."""
    effects = {changed.text: changed.effect for group in diff.groups for changed in group.texts}
    assert effects == {
        "review my sums": Effect.BETTER,
        "join the army": Effect.BETTER,
        "good morning friend": Effect.WORSE,
        "join two tables": Effect.OTHER,
    }
    assert (diff.better, diff.worse) == (2, 1)
    assert diff.accuracy is not None
    assert (diff.accuracy.before, diff.accuracy.after) == (3 / 5, 4 / 5)
    assert diff.accuracy.p_value == 1.0
    assert diff.coverage is not None
    assert (diff.coverage.before, diff.coverage.after) == (4 / 5, 4 / 5)
    assert diff.precision is not None
    assert (diff.precision.before, diff.precision.after) == (2 / 4, 3 / 4)


def test_a_changed_text_tells_both_verdicts(diff: Diff) -> None:
    """Route, model, best route, confidence, threshold and whether it is right, before and after."""
    [changed] = [text for group in diff.groups for text in group.texts if text.text == "review my sums"]
    before, after = changed.before, changed.after
    assert (before.route, before.model, before.best, before.right) == ("code", "code", "code", False)
    assert (after.route, after.model, after.best, after.right) == ("maths", "maths", "maths", True)
    assert before.confidence is not None
    assert before.confidence >= before.threshold == 0.5
    assert (changed.expected, changed.file, changed.line) == ("maths", "cases.jsonl", 2)


def test_the_largest_group_comes_first_and_its_worse_texts_before_the_better_ones() -> None:
    """What needs a look first is shown first."""
    after = revision_of({"maths": ["fix this bug", "review my code", "add these numbers"], "sql": ["join two tables"]})
    diff = diff_between(
        BEFORE, after, {"join these tables": "maths", "fix this bug": "maths", "review my code": "code"}
    )
    first = diff.groups[0]
    assert [(changed.text, changed.effect) for changed in first.texts] == [
        ("review my code", Effect.WORSE),
        ("fix this bug", Effect.BETTER),
    ]


def test_a_renamed_route_is_right_under_either_name() -> None:
    """Labels of either name are right before and after, so that a new name is no change of quality."""
    names = {"coding": ["fix this bug", "review my code"], "maths": ["add these numbers"], "sql": ["join two tables"]}
    after = revision_of(names, threshold=0.5)
    for label in ("code", "coding"):
        diff = diff_between(BEFORE, after, {"fix this bug": label})
        assert shapes(diff) == [(ChangeKind.RENAMED, "code", "coding", 1)]
        assert (diff.better, diff.worse) == (0, 0)
        assert diff.accuracy is not None
        assert (diff.accuracy.before, diff.accuracy.after) == (1.0, 1.0)


def test_without_labels_there_are_only_changes() -> None:
    """Nobody says what is right: no effect, no accuracy, no precision, but coverage, groups, causes and cost."""
    diff = diff_between(BEFORE, AFTER, LABELS, labelled=False)
    assert diff.changed == 4
    assert (diff.better, diff.worse, diff.accuracy, diff.precision) == (0, 0, None, None)
    assert diff.coverage is not None
    texts = [changed for group in diff.groups for changed in group.texts]
    assert {(changed.effect, changed.before.right, changed.after.right) for changed in texts} == {(None, None, None)}
    assert all(changed.causes for changed in texts)


def test_what_makes_the_numbers_rosy_is_counted() -> None:
    """Texts that a revision knows by heart, and those of routes that the earlier one could not know."""
    after = revision_of({"code": ["fix this bug"], "travel": ["plan a trip"]}, threshold=0.5)
    diff = diff_between(BEFORE, after, {"fix this bug": "code", "plan a trip": "travel", "a trip to Rome": "travel"})
    assert (diff.known, diff.new_labels) == (2, 2)


def test_the_cost_is_that_of_the_models_that_answer() -> None:
    """Each revision's own prices count, of a thousand requests that are mixed as the texts are."""
    cheap = Model("code", "c", input_price_usd_micros=1_000_000, output_price_usd_micros=2_000_000)
    dear = Model("maths", "m", input_price_usd_micros=3_000_000, output_price_usd_micros=6_000_000)
    routes = {"code": ["fix this bug"], "maths": ["add these numbers"]}
    before = revision_of(routes, known_models=(cheap, dear))
    after = revision_of({"code": ["add these numbers"], "maths": ["fix this bug"]}, known_models=(cheap, dear))
    cost = diff_between(before, after, {"fix this bug": "code"}, tokens=Tokens(10, 5)).cost
    assert cost.before_usd_micros == pytest.approx(1_000 * 20)
    assert cost.after_usd_micros == pytest.approx(1_000 * 60)
    unpriced = diff_between(before, revision_of(routes), {"fix this bug": "code"}).cost
    assert (unpriced.before_usd_micros, unpriced.unpriced) == (None, ("code",))


def test_a_revision_does_not_differ_from_itself() -> None:
    """No group, no better, no worse, and an interval around no change."""
    diff = diff_between(BEFORE, BEFORE, LABELS)
    assert (diff.changed, diff.groups, diff.better, diff.worse) == (0, (), 0, 0)
    assert diff.accuracy is not None
    assert diff.accuracy.low < diff.accuracy.change == 0.0 < diff.accuracy.high


def test_no_texts_no_numbers() -> None:
    """Where nothing was asked nothing is told, and nothing fails."""
    diff = diff_between(BEFORE, AFTER, {})
    assert (diff.texts, diff.changed, diff.accuracy, diff.coverage, diff.precision) == (0, 0, None, None, None)
    assert diff.cost.before_usd_micros is None


words = st.sampled_from(["fix", "this", "bug", "add", "numbers", "join", "tables"])
sentences = st.lists(words, min_size=1, max_size=3).map(" ".join)
catalogs = st.dictionaries(st.sampled_from(["code", "maths", "sql"]), st.lists(sentences, max_size=3), min_size=1)


@settings(max_examples=30, deadline=None)
@given(
    catalogs.map(lambda routes: revision_of(routes, threshold=0.4)),
    catalogs.map(lambda routes: revision_of(routes, threshold=0.4)),
    st.dictionaries(sentences, st.sampled_from(["code", "maths", "sql", None]), min_size=1, max_size=8),
)
def test_there_and_back(one: Revision, other: Revision, labels: dict[str, str | None]) -> None:
    """Going back makes worse what going there made better; better minus worse is the change of the accuracy."""
    there, back = diff_between(one, other, labels), diff_between(other, one, labels)
    assert there.changed == back.changed == sum(len(group.texts) for group in there.groups)
    assert (there.better, there.worse) == (back.worse, back.better)
    assert there.accuracy is not None
    assert there.accuracy.change == pytest.approx((there.better - there.worse) / len(labels))
