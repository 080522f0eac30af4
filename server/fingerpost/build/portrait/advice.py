"""Advice: what would help most next? A few sentences for the people who own the routes."""

from collections.abc import Iterator
from dataclasses import dataclass

from fingerpost.build.portrait.portrait import Origin, Portrait, RoutePortrait
from fingerpost.types import Severity

_MOST = 3
_PROOF_WEIGHT = 4.0  # cases that an unproven target counts as much as
_FEW_TESTS = 5  # of a route; fewer say next to nothing
_URGENT = 1e9  # nothing else on the page can be trusted before that is done


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to do."""

    title: str
    detail: str
    route: str | None = None  # whose part of the page tells more
    section: str = ""  # or the section that does


def advise(portrait: Portrait) -> tuple[Advice, ...]:
    """At most three, the most useful first: what concerns most of the cases."""
    weighed = [*_first(portrait), *_mixed_up(portrait), *_unsure(portrait), *_outside(portrait), *_proof(portrait)]
    weighed += [*_harder(portrait), *_tests(portrait), *_found(portrait)]
    weighed.sort(key=lambda item: (-item[0], item[1].title))
    return tuple(advice for _, advice in weighed[:_MOST])


_Weighed = Iterator[tuple[float, Advice]]


def _first(portrait: Portrait) -> _Weighed:
    drift = portrait.drift
    if drift and (drift.added or drift.removed):
        yield (
            _URGENT,
            Advice(
                "Reindex",
                "The route files differ from what is served: "
                f"{_count(drift.added, 'utterance is', 'utterances are')} new and "
                f"{_count(drift.removed, 'is', 'are')} gone. This page tells of what is served.",
            ),
        )
    if not portrait.report.cases:
        yield (
            _URGENT,
            Advice(
                "Write tests",
                "No labelled texts were at hand, so nobody knows how good the decisions are. Add a few under tests: in "
                "each route file, worded as real requests are, or give a file with --cases.",
                section="routes",
            ),
        )
    if portrait.unknown_labels:
        names = ", ".join(sorted(portrait.unknown_labels)[:3])
        yield (
            _URGENT,
            Advice(
                "Check the labels of the cases",
                f"{_count(sum(portrait.unknown_labels.values()), 'case names', 'cases name')} a route that this "
                f"catalog does not have, and can only be wrong: {names}.",
            ),
        )


def _mixed_up(portrait: Portrait) -> _Weighed:
    counted: dict[tuple[str, str], int] = {}
    for confusion in portrait.report.confusions:
        if confusion.expected is not None and confusion.expected not in portrait.unknown_labels:
            pair = (min(confusion.expected, confusion.best), max(confusion.expected, confusion.best))
            counted[pair] = counted.get(pair, 0) + confusion.count
    if not counted:
        return
    (one, other), count = min(counted.items(), key=lambda item: (-item[1], item[0]))
    if count > 1:
        yield (
            count,
            Advice(
                f"Tell {one} and {other} apart",
                f"{count} test texts of one of them are nearest to the other. Move or reword utterances that would fit "
                "both, and add some that fit only one.",
                route=one,
            ),
        )


def _unsure(portrait: Portrait) -> _Weighed:
    def fell_back(route: RoutePortrait) -> int:
        return route.counts.best - route.counts.accepted_right

    for route in sorted(portrait.routes, key=fell_back, reverse=True)[:2]:
        count = fell_back(route)
        if count > 1:
            yield (
                count,
                Advice(
                    f"Give {route.name} more utterances",
                    f"{count} of its {route.counts.cases} test texts fell back although {route.name} was the best "
                    "guess. Add utterances that are worded differently from those it has.",
                    route=route.name,
                ),
            )


def _outside(portrait: Portrait) -> _Weighed:
    taken = portrait.outside.counts.confusions
    count, of = sum(taken.values()), portrait.report.out_of_scope_cases
    if count:
        most = min(taken.items(), key=lambda item: (-item[1], item[0]))[0]
        yield (
            count,
            Advice(
                "Show what belongs to no route",
                f"{count} of {of} test texts that belong to no route got one, most often {most}. Add texts like them "
                "to the utterances of _out_of_scope.yaml.",
                section="mistakes",
            ),
        )
    elif portrait.report.cases and not of:
        yield (
            _FEW_TESTS,
            Advice(
                "Test what belongs to no route",
                "No test text is out of scope, so nobody knows whether such requests are held back. Add some under "
                "tests: in _out_of_scope.yaml.",
            ),
        )


def _proof(portrait: Portrait) -> _Weighed:
    promise = portrait.promise
    if promise is None or promise.kept:
        return
    target = f"{100 * promise.target_precision:g}%"
    more = (
        "More of the same would not prove it: the routes overlap too much for that target."
        if promise.texts_needed is None
        else f"About {promise.texts_needed} utterances like these would prove it."
    )
    yield (
        _PROOF_WEIGHT,
        Advice(
            "Prove the target", f"A precision of {target} is aimed at and not proven yet. {more}", section="confidence"
        ),
    )


def _harder(portrait: Portrait) -> _Weighed:
    if portrait.report.cases and portrait.source.origin is Origin.ROUTES and not portrait.report.mistakes:
        yield (
            1.0,
            Advice(
                "Try real requests",
                "No test text got a wrong route. Tests are often worded like the utterances, by the same hand: give "
                "some hundred real requests with --cases and see whether it holds.",
            ),
        )


def _tests(portrait: Portrait) -> _Weighed:
    few = [route for route in portrait.routes if route.counts.cases < _FEW_TESTS]
    if few and portrait.report.cases:
        names = ", ".join(str(route.name) for route in few[:3]) + (" and others" if len(few) > 3 else "")
        yield (
            1.0 + len(few),
            Advice(
                f"Write tests for {_count(len(few), 'route', 'routes')}",
                f"Fewer than {_FEW_TESTS} test texts say next to nothing of a route: {names}.",
                route=few[0].name,
            ),
        )


def _found(portrait: Portrait) -> _Weighed:
    count = len(portrait.findings)
    if count:
        errors = sum(finding.severity is Severity.ERROR for finding in portrait.findings)
        yield (
            _URGENT if errors else count / 2,
            Advice(
                f"Look at {_count(count, 'finding', 'findings')}",
                "The route files hold something that is wrong or looks like a slip; each finding names its line.",
                section="findings",
            ),
        )


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
