"""Checks that need the whole folder: names that must exist, texts that must differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fingerpost.build.choices import check_choices
from fingerpost.build.draft import Draft, DraftModel, DraftRoute
from fingerpost.build.files import MAX_TEXTS
from fingerpost.build.finding_codes import (
    MODEL_TWICE,
    POLICY_MODEL,
    ROUTE_EMPTY,
    ROUTE_MODEL,
    ROUTE_TWICE,
    TEST_CLASH,
    TEST_SEEN,
    TEXTS_MANY,
    UTTERANCE_CLASH,
    UTTERANCE_OUT_OF_SCOPE,
)
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.guards.checks import check_guards
from fingerpost.build.texts import normalised
from fingerpost.types import Text


def validate(draft: Draft, findings: Findings) -> None:
    """Report everything that does not fit together."""
    _check_route_names(draft.routes, findings)
    _check_empty(draft.routes, findings)
    if draft.models is not None:
        _check_models(draft, draft.models, findings)
        check_choices(draft, findings)
        check_guards(draft, findings)
    _check_counts(draft, findings)
    seen = _check_utterances(draft, findings)
    _check_tests(draft, seen, findings)


def _check_route_names(routes: Sequence[DraftRoute], findings: Findings) -> None:
    first: dict[str, Place] = {}
    for draft in routes:
        place = first.setdefault(draft.route.name, draft.named)
        if place is not draft.named:
            findings.add(ROUTE_TWICE, draft.named, f"the name {quoted(draft.route.name)} is taken: see {place}")


def _check_empty(routes: Sequence[DraftRoute], findings: Findings) -> None:
    for draft in routes:
        if not draft.route.utterances:
            message = f"the route {quoted(draft.route.name)} has no utterances, so nothing is ever near it"
            findings.add(ROUTE_EMPTY, draft.named, message)


def _check_models(draft: Draft, models: Sequence[DraftModel], findings: Findings) -> None:
    first: dict[str, Place] = {}
    for entry in models:
        place = first.setdefault(entry.model.name, entry.named)
        if place is not entry.named:
            findings.add(MODEL_TWICE, entry.named, f"the name {quoted(entry.model.name)} is taken: see {place}")
    for route in draft.routes:
        for name in route.route.models or (route.route.model,):
            if name not in first:
                findings.add(ROUTE_MODEL, route.model_named, _unknown_model(name))
        for name in route.route.fallback:
            if name not in first:
                findings.add(ROUTE_MODEL, route.fallback_named or route.named, _unknown_model(name))
    for text in draft.policy.models if draft.policy else ():
        if text.text not in first:
            findings.add(POLICY_MODEL, _place(text), _unknown_model(text.text))


def _unknown_model(name: str) -> str:
    return f"no model in _models.yaml is called {quoted(name)}"


def _check_counts(draft: Draft, findings: Findings) -> None:
    utterances = [text for owned in _utterances(draft) for text in owned.texts]
    tests = [text for owned in _tests(draft) for text in owned.texts]
    for texts, noun in (utterances, "utterances"), (tests, "tests"):
        if len(texts) > MAX_TEXTS:
            message = f"{len(texts):,} {noun} in all and the limit is {MAX_TEXTS:,}: keep a sample"
            findings.add(TEXTS_MANY, _place(texts[MAX_TEXTS]), message)


@dataclass(frozen=True, slots=True)
class _Owned:
    """Texts and whose they are."""

    owner: str  # a route's name; empty: out of scope
    texts: tuple[Text, ...]

    def __str__(self) -> str:
        return f"the route {quoted(self.owner)}" if self.owner else "the out-of-scope texts"


_Seen = dict[str, tuple[_Owned, Text]]
"""Normalised text to its first owner and place."""


def _utterances(draft: Draft) -> Iterator[_Owned]:
    for route in draft.routes:
        yield _Owned(route.route.name, route.route.utterances)
    yield _Owned("", draft.out_of_scope)


def _tests(draft: Draft) -> Iterator[_Owned]:
    for route in draft.routes:
        yield _Owned(route.route.name, route.route.tests)
    yield _Owned("", draft.out_of_scope_tests)


def _check_utterances(draft: Draft, findings: Findings) -> _Seen:
    seen: _Seen = {}
    for owned in _utterances(draft):
        kind = UTTERANCE_CLASH if owned.owner else UTTERANCE_OUT_OF_SCOPE
        for text in owned.texts:
            first, where = seen.setdefault(normalised(text.text), (owned, text))
            if first is not owned:
                message = f"{quoted(text.text)} is also an utterance of {first} ({_place(where)})"
                findings.add(kind, _place(text), message)
    return seen


def _check_tests(draft: Draft, utterances: _Seen, findings: Findings) -> None:
    tests: _Seen = {}
    for owned in _tests(draft):
        for text in owned.texts:
            key = normalised(text.text)
            if key in utterances:
                first, where = utterances[key]
                message = f"the test {quoted(text.text)} is also an utterance of {first} ({_place(where)})"
                findings.add(TEST_SEEN, _place(text), message)
            first, where = tests.setdefault(key, (owned, text))
            if first is not owned:
                message = f"{quoted(text.text)} is also a test of {first} ({_place(where)})"
                findings.add(TEST_CLASH, _place(text), message)


def _place(text: Text) -> Place:
    return Place(text.file, text.line)
