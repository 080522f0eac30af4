"""What a portrait counts, and what it advises."""

from dataclasses import replace

import pytest

from fingerpost.build.judging import Case
from fingerpost.build.portrait.advice import advise
from fingerpost.build.portrait.portrait import Drift, Portrait, Verdict
from fingerpost.types import Catalog, Finding, Policy, Route, Severity, Text
from tests.portraits import PROMISE, case, portrait_of

ROUTES = {
    "code": ["write a function", "fix this bug", "review my code"],
    "maths": ["solve the equation", "add these numbers"],
}
PROVEN = replace(PROMISE, kept=True, precision_bound=0.96)
RIGHT = case("write a function", "code")
WRONG = case("fix this bug", "maths")
UNSURE = case("zebra quagga okapi", "maths")
TAKEN = case("review my code", None)
HELD = case("lynx puma", None)


def files(*routes: Route, outside: tuple[Text, ...] = ()) -> Catalog:
    return Catalog(routes, (), Policy("big"), outside)


def route_file(name: str, texts: list[str], tests: list[str] | None = None) -> Route:
    written = tuple(Text(text, f"{name}.yaml", 3 + n) for n, text in enumerate(texts))
    return Route(name, "", "coder", None, written, tuple(Text(text, f"{name}.yaml", 9) for text in tests or []))


def titles(portrait: Portrait) -> list[str]:
    return [advice.title for advice in advise(portrait)]


def test_every_case_is_told_once_by_its_route() -> None:
    """Each case stands with the route that it belongs to, as right, unsure or wrong."""
    portrait = portrait_of(ROUTES, cases=[RIGHT, WRONG, UNSURE, TAKEN, HELD])
    code, maths = portrait.routes
    assert [(o.text, o.verdict) for o in code.outcomes] == [(RIGHT.text.text, Verdict.RIGHT)]
    assert [(o.text, o.verdict) for o in maths.outcomes] == [
        (WRONG.text.text, Verdict.WRONG),
        (UNSURE.text.text, Verdict.UNSURE),
    ]
    assert [(o.text, o.verdict) for o in portrait.outside.outcomes] == [
        (TAKEN.text.text, Verdict.WRONG),
        (HELD.text.text, Verdict.RIGHT),
    ]


def test_a_route_knows_what_it_is_confused_with() -> None:
    """What a route's cases are taken for, and whose cases it takes, agree with the confusions of the report."""
    portrait = portrait_of(ROUTES, cases=[RIGHT, WRONG, TAKEN])
    code, maths = portrait.routes
    assert maths.counts.confusions == {"code": 1}
    assert code.takes == {"maths": 1}
    assert code.takes_outside == 1
    assert {o.text for o in code.worst} == {WRONG.text.text, TAKEN.text.text}
    assert {o.text for o in maths.worst} == {WRONG.text.text}


def test_the_worst_mistakes_are_the_surest_wrong_ones() -> None:
    """Cases that fell back are no mistakes of the page, and wrong ones are ordered by confidence."""
    portrait = portrait_of(ROUTES, cases=[UNSURE, WRONG, TAKEN, RIGHT])
    confidences = [o.confidence for o in portrait.worst]
    assert {o.text for o in portrait.worst} == {WRONG.text.text, TAKEN.text.text}
    assert confidences == sorted(confidences, key=lambda c: -(c or 0.0))
    assert all(o.nearest for o in portrait.worst)


def test_findings_stand_with_the_route_of_their_file() -> None:
    """A finding belongs to the routes whose texts stand in its file; others belong to the catalog alone."""
    found = [Finding("FP201", Severity.WARNING, name, 3, "odd") for name in ("code.yaml", "_policy.yaml")]
    written = files(*(route_file(name, texts) for name, texts in ROUTES.items()))
    portrait = portrait_of(ROUTES, files=written, findings=found)
    code, maths = portrait.routes
    assert code.findings == (found[0],)
    assert maths.findings == ()
    assert portrait.findings == tuple(found)


def test_drift_counts_what_files_and_revision_do_not_share() -> None:
    """New and removed utterances are counted; a text that moved to another route is both."""
    written = files(
        route_file("code", ["write a function", "fix this bug", "add these numbers"]),
        route_file("maths", ["solve the equation", "new one"]),
    )
    assert portrait_of(ROUTES, files=written).drift == Drift(added=2, removed=2)
    same = files(*(route_file(name, texts) for name, texts in ROUTES.items()))
    assert portrait_of(ROUTES, files=same).drift == Drift(0, 0)
    assert portrait_of(ROUTES).drift is None


def test_advice_names_what_concerns_most_cases() -> None:
    """Confused routes come before a route that falls back when more cases are at stake, and the other way round."""
    tests = [case(f"write a function {word}", "code") for word in ("a", "b", "c", "d", "e")]
    sums = [case(text, "maths") for text in ROUTES["maths"] * 3]
    mixed = [case(text, "maths") for text in ROUTES["code"]]
    shy = [UNSURE, UNSURE]
    many = portrait_of(ROUTES, cases=[*tests, *sums, *mixed, *shy, HELD], promise=PROVEN)
    assert titles(many)[0] == "Tell code and maths apart"
    assert titles(portrait_of(ROUTES, cases=[*tests, *sums, HELD], promise=PROVEN)) == ["Try real requests"]


def test_advice_before_all_other() -> None:
    """Files that differ from what is served, missing tests and unknown labels come first."""
    written = files(route_file("code", ["entirely new"]), route_file("maths", ROUTES["maths"]))
    assert titles(portrait_of(ROUTES, files=written))[:2] == ["Reindex", "Write tests"]
    strange = portrait_of(ROUTES, cases=[RIGHT, case("fix this bug", "poems")])
    assert strange.unknown_labels == {"poems": 1}
    assert titles(strange)[0] == "Check the labels of the cases"


@pytest.mark.parametrize(
    ("cases", "title"),
    [([RIGHT, TAKEN], "Show what belongs to no route"), ([RIGHT], "Test what belongs to no route")],
    ids=["taken", "untested"],
)
def test_advice_on_what_belongs_to_no_route(cases: list[Case], title: str) -> None:
    """Out-of-scope texts that got a route, and the lack of such tests, are told."""
    assert title in titles(portrait_of(ROUTES, cases=cases, promise=PROVEN))


def test_advice_on_an_unproven_target() -> None:
    """How many utterances would prove it is told, and that more would not help where they would not."""
    [advice] = [a for a in advise(portrait_of(ROUTES, cases=[RIGHT] * 9)) if a.title == "Prove the target"]
    assert "About 400 utterances" in advice.detail
    hopeless = portrait_of(ROUTES, cases=[RIGHT] * 9, promise=replace(PROMISE, texts_needed=None))
    [advice] = [a for a in advise(hopeless) if a.title == "Prove the target"]
    assert "overlap too much" in advice.detail


def test_a_catalog_without_anything() -> None:
    """Without utterances and cases there is a portrait all the same, which asks for tests."""
    portrait = portrait_of({"code": []}, promise=None)
    assert portrait.reliability is None
    assert portrait.scatter.spots == ()
    assert "Write tests" in titles(portrait)
