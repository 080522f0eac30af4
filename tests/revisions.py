"""Revisions of hashed words for tests: made of routes and their utterances, and opened to be looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fingerpost.backends.index.engines import ENGINES
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.bootstrap.planning import plan_of
from fingerpost.build.diff.changes import compared
from fingerpost.build.diff.diff import Diff, diff_of
from fingerpost.build.diff.prices import Tokens
from fingerpost.build.diff.texts import Texts, TextsKind
from fingerpost.build.judging import Case, Judged
from fingerpost.build.study import Study
from fingerpost.ports import NoProgress
from fingerpost.serve.retrieve import Retriever
from fingerpost.serve.search import Space
from fingerpost.serve.spell import Speller
from fingerpost.types import OUT_OF_SCOPE, ConfidenceMap, EncoderId, Exemplar, Model, Revision, Text
from tests.fakes import DEFAULT_MAP, DIM, HASH_ENCODER, HashEmbedder, MemoryCache, decider

_KINDS = {engine.kind: engine for engine in ENGINES}


def revision_of(
    routes: Mapping[str, Sequence[str]],
    out_of_scope: Sequence[str] = (),
    *,
    digest: str = "a" * 64,
    threshold: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
    models: Mapping[str, str] | None = None,
    known_models: Sequence[Model] = (),
    fallback_model: str = "big",
    confidence_map: ConfidenceMap = DEFAULT_MAP,
    encoder: EncoderId = HASH_ENCODER,
) -> Revision:
    """A revision without a head; a route's model has the route's name unless told otherwise."""
    exemplars = [Exemplar(text, number) for number, texts in enumerate(routes.values()) for text in texts]
    exemplars += [Exemplar(text, OUT_OF_SCOPE) for text in out_of_scope]
    vectors = HashEmbedder().embed([e.text for e in exemplars]) if exemplars else np.empty((0, DIM), np.float32)
    engine, base = FaissFlatEngine(), decider(tuple(routes), confidence_map, threshold)
    policies = tuple(
        replace(
            route,
            threshold=(thresholds or {}).get(route.name, threshold),
            model=(models or {}).get(route.name, route.name),
        )
        for route in base.routes
    )
    named = {route.model for route in policies} | {fallback_model}
    catalog = dict(base.models) | {name: Model(name, f"upstream-{name}") for name in named - base.models.keys()}
    catalog |= {model.name: model for model in known_models}
    policy = replace(base.policy, fallback_model=fallback_model)
    return Revision(
        digest,
        encoder,
        tuple(exemplars),
        engine.kind,
        engine.build(vectors),
        replace(base, routes=policies, models=catalog, policy=policy),
    )


def study_of(revision: Revision) -> Study:
    """The revision, opened with the embedder of the tests."""
    retriever = Retriever(
        embedders=(HashEmbedder(),),
        space=Space.of(_KINDS[revision.index_kind].open(revision.index_bytes), revision.exemplars, revision.head),
        speller=Speller((exemplar.text for exemplar in revision.exemplars), HashEmbedder().is_whole),
        neighbours=revision.decider.vote.neighbours,
    )
    return Study(revision.digest, revision, plan_of(revision.decider), None, retriever, MemoryCache(), NoProgress())


def cases_of(labels: Mapping[str, str | None]) -> list[Case]:
    """Texts with their routes; None: out of scope."""
    return [Case(Text(text, "cases.jsonl", number), route) for number, (text, route) in enumerate(labels.items(), 1)]


def judged_by(revision: Revision, *texts: str) -> list[Judged]:
    """What the revision decides for texts."""
    return study_of(revision).judge(cases_of(dict.fromkeys(texts)))


def diff_between(
    before: Revision,
    after: Revision,
    labels: Mapping[str, str | None],
    *,
    labelled: bool = True,
    tokens: Tokens | None = None,
) -> Diff:
    """What changes from one revision to another on these texts."""
    cases = cases_of(labels)
    texts = Texts.of(TextsKind.FILE, "cases.jsonl", cases, labelled=labelled)
    old, new = (study_of(revision).judge(cases) for revision in (before, after))
    return diff_of(compared(before, after), texts, old, new, tokens)
