"""State: what the server is like just now, as metrics that are read when somebody asks."""

import math
from collections.abc import Iterator, Mapping

from fingerpost.guard.admission import Admission
from fingerpost.ports import Engine
from fingerpost.serve.cache import ResultCache
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.follow import Follower
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.telemetry import names
from fingerpost.telemetry.metrics import Sample
from fingerpost.types import MEASURE_BOUNDS, Expected


def read_state(
    runtime: Runtime,
    engine: Engine,
    queue: EmbedQueue,
    cache: ResultCache,
    admission: Admission,
    follower: Follower | None,
    carried: Mapping[tuple[str, str], int],
) -> Iterator[Sample]:
    """Every metric that is not counted but looked up; safe from any thread."""
    yield names.IN_FLIGHT, (), admission.in_flight
    yield names.QUEUE_JOBS, (), len(queue)
    yield names.QUEUE_AGE, (), queue.oldest_seconds()
    yield names.CACHE_BYTES, (), cache.size_bytes
    yield names.CACHE_ENTRIES, (), len(cache)
    yield names.ENGINE_RESTARTS, (), engine.restarts
    for snapshot in runtime.snapshots.values():
        yield from _of_catalog(snapshot)
    for catalog, count in list(runtime.refused_reloads.items()):
        yield names.REFUSED_RELOADS, (catalog,), count
    for labels, count in list(carried.items()):
        yield names.SHARED_ARTEFACTS, labels, count
    if follower is not None:
        yield names.LEDGER_AGE, (), math.inf if follower.age_seconds is None else follower.age_seconds
        yield names.LEDGER_STALE, (), int(follower.stale)
        yield names.LEDGER_FAILURES, (), follower.failures


def _of_catalog(snapshot: Snapshot) -> Iterator[Sample]:
    catalog, decider = snapshot.catalog, snapshot.decider
    yield names.REVISION, (catalog, snapshot.revision, snapshot.encoder.digest, snapshot.precision), 1
    yield names.GENERATION, (catalog,), snapshot.activation.generation
    yield names.EXPECTED_OUT_OF_SCOPE, (catalog,), decider.policy.out_of_scope_share
    if decider.expected is not None:
        yield from _expected(catalog, decider.expected)


def _expected(catalog: str, expected: Expected) -> Iterator[Sample]:
    measures = {
        "similarity": expected.similarity,
        "margin": expected.margin,
        "confidence": expected.confidence,
    }
    for measure, shares in measures.items():
        for bound, share in zip(MEASURE_BOUNDS, shares, strict=True):
            yield names.EXPECTED, (catalog, measure, str(bound)), share
