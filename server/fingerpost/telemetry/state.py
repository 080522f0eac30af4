"""State: what the server is like just now, as metrics that are read when somebody asks."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from fingerpost.engine_ports import Engine
from fingerpost.guard.admission import Admission
from fingerpost.guard.budget import Purse
from fingerpost.serve.cache import ResultCache
from fingerpost.serve.embed import EmbedQueue
from fingerpost.serve.follow import Follower
from fingerpost.serve.guards import Guards
from fingerpost.serve.reports import Recorder
from fingerpost.serve.runtime import Runtime, Snapshot
from fingerpost.telemetry import names
from fingerpost.telemetry.metrics import Sample
from fingerpost.types import MEASURE_BOUNDS, BreakerPosition, BudgetOf, Expected, ExperimentState


class Accounted(Protocol):
    """What guards, reports and experiments are like."""

    @property
    def guards(self) -> Guards: ...

    @property
    def recorder(self) -> Recorder: ...


def read_state(
    runtime: Runtime,
    engine: Engine,
    queue: EmbedQueue,
    cache: ResultCache,
    admission: Admission,
    follower: Follower | None,
    carried: Mapping[tuple[str, str], int],
    accounting: Accounted,
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
    yield from _of_accounting(accounting)
    if follower is not None:
        yield names.LEDGER_AGE, (), math.inf if follower.age_seconds is None else follower.age_seconds
        yield names.LEDGER_STALE, (), int(follower.stale)
        yield names.LEDGER_FAILURES, (), follower.failures


def _of_accounting(accounting: Accounted) -> Iterator[Sample]:
    yield names.REPORTS_IN_LINE, (), accounting.recorder.in_line
    yield names.OUTBOX_ROWS, (), accounting.recorder.outbox_rows
    yield from _budgets(accounting.guards.spending.purses)
    now = time.monotonic()
    for guards in accounting.guards.known():
        catalog = guards.snapshot.catalog
        for model, position in guards.breakers.positions(now).items():
            yield names.BREAKERS, (catalog, model), _POSITIONS[position]
        for running in guards.lab.states(guards.snapshot):
            yield from _experiment(catalog, running)


_POSITIONS = {BreakerPosition.CLOSED: 0.0, BreakerPosition.HALF_OPEN: 0.5, BreakerPosition.OPEN: 1.0}


def _budgets(purses: Iterable[Purse]) -> Iterator[Sample]:
    """Each holder's, but of tenants, of whom there may be many, the one that has used most."""
    shares: dict[tuple[str, str, str], float] = {}
    limits: dict[tuple[str, str, str], float] = {}
    for purse in purses:
        holder = "" if purse.budget.of is BudgetOf.TENANT else purse.key.holder
        labels = (purse.key.catalog, purse.key.budget, holder)
        used = (purse.used + purse.used_since) / purse.limit_usd_micros
        shares[labels] = max(used, shares.get(labels, 0.0))
        limits[labels] = min(purse.limit_usd_micros / 1e6, limits.get(labels, math.inf))
    for labels, share in shares.items():
        yield names.BUDGET_USED, labels, share
        yield names.BUDGET_LIMIT, labels, limits[labels]


def _experiment(catalog: str, running: ExperimentState) -> Iterator[Sample]:
    name = running.experiment.name
    for arm in running.arms:
        yield names.ARM_STOPPED, (catalog, name, arm.arm.name), int(bool(arm.stopped or running.stopped))
    if running.shadow is not None:
        shadow = running.shadow
        results = {
            "same": shadow.decisions - shadow.other_route - shadow.other_model,
            "other_route": shadow.other_route,
            "other_model": shadow.other_model,
            "dropped": shadow.dropped,
        }
        for result, count in results.items():
            yield names.SHADOWS, (catalog, name, result), count


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
