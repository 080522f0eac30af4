"""Portraits of small catalogs of hashed words, decided by the real path."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.evaluate import report_of
from fingerpost.build.judging import Case, Judge, Judged
from fingerpost.build.portrait.portrait import CaseSource, Comparison, Origin, Portrait, Subject, portray
from fingerpost.build.portrait.scatter import scatter_of
from fingerpost.build.report import HeldOut
from fingerpost.build.threshold import Point
from fingerpost.ports import NoProgress
from fingerpost.types import Catalog, Finding, Promise, Text, Vectors
from tests.fakes import DIM, HASH_ENCODER, HashEmbedder, LocalRevision, snapshot

PROMISE = Promise(0.95, 0.6, 90, 85, 0.88, kept=False, texts_needed=400)
CURVE = tuple(Point(0.95 - 0.09 * n, 0.1 + 0.09 * n, 1.0 - 0.01 * n, 0.9 - 0.005 * n) for n in range(10))


def case(text: str, route: str | None) -> Case:
    return Case(Text(text, f"{route or '_out_of_scope'}.yaml", 1), route)


def judged_of(routes: Mapping[str, list[str]], outside: Sequence[str], cases: Sequence[Case]) -> list[Judged]:
    """What a catalog of these utterances decides."""
    snap = snapshot(routes=dict(routes), out_of_scope=outside)
    assert isinstance(snap.loaded, LocalRevision)
    retriever = snap.loaded.retriever
    if not cases:
        return []
    return Judge(retriever.speller, retriever.space, snap.plan, HashEmbedder().embed, NoProgress()).cases(cases)


def flat(vectors: Vectors) -> NDArray[np.float64]:
    """The first two coordinates: a projection that a test can follow."""
    return vectors[:, :2].astype(np.float64)


def portrait_of(
    routes: Mapping[str, list[str]],
    outside: Sequence[str] = (),
    cases: Sequence[Case] = (),
    *,
    files: Catalog | None = None,
    findings: Sequence[Finding] = (),
    promise: Promise | None = PROMISE,
    comparison: Comparison | None = None,
) -> Portrait:
    """A portrait as the command makes it, with a curve that is given."""
    snap = snapshot(routes=dict(routes), out_of_scope=outside)
    judged = judged_of(routes, outside, cases)
    report = report_of(judged, snap.decider)
    built = replace(report, held_out=HeldOut(100, {}, promise, CURVE))
    subject = Subject("default", "r" * 64, HASH_ENCODER, snap.decider, snap.exemplars, built, files, tuple(findings))
    texts = [exemplar.text for exemplar in snap.exemplars]
    vectors = HashEmbedder().embed(texts) if texts else np.empty((0, DIM), np.float32)
    source = CaseSource(Origin.ROUTES if cases else Origin.REVISION, "routes" if cases else "")
    return portray(subject, source, report, judged, scatter_of(snap.exemplars, vectors, flat), comparison)
