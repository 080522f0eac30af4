"""Texts as clouds of vectors, a cloud a route, whose shape a test chooses."""

import numpy as np

from fingerpost.build.fit import Fit, Source, fit
from fingerpost.build.folds import hold_out
from fingerpost.build.priors import PRIORS, Prior
from fingerpost.build.recipe import Texts
from fingerpost.ports import NoProgress, Progress
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.types import OUT_OF_SCOPE, Exemplar, Policy, Vectors

DIM = 16
POLICY = Policy("big")
PRIOR = PRIORS["minilm"]


def unit_rows(count: int, dim: int, seed: int) -> Vectors:
    """Directions anywhere."""
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def clustered(
    routes: int, each: int, outside: int = 0, seed: int = 0, spread: float = 0.6
) -> tuple[Vectors, list[Exemplar]]:
    """Texts of each route around a direction of its own, and out-of-scope ones anywhere."""
    random = np.random.default_rng(seed)
    rows = np.repeat(random.standard_normal((routes, DIM)), each, axis=0)
    rows = rows + spread * random.standard_normal(rows.shape)
    rows = np.concatenate([rows, random.standard_normal((outside, DIM))])
    exemplars = [Exemplar(f"{r}-{n}", r) for r in range(routes) for n in range(each)]
    exemplars += [Exemplar(f"x-{n}", OUT_OF_SCOPE) for n in range(outside)]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), exemplars


def texts_of(vectors: Vectors, exemplars: list[Exemplar]) -> Texts:
    """The utterances as the build sees them, without hints."""
    rows = [row for row, exemplar in enumerate(exemplars) if exemplar.route != OUT_OF_SCOPE]
    routes = np.array([exemplars[row].route for row in rows], dtype=np.int64)
    held = hold_out(vectors[rows], [exemplars[row] for row in rows])
    return Texts(vectors[rows], routes, held, vectors[:0], routes[:0])


def learned(
    vectors: Vectors,
    exemplars: list[Exemplar],
    prior: Prior | None = PRIOR,
    background: int = 40,
    routes_count: int | None = None,
    policy: Policy = POLICY,
    progress: Progress | None = None,
) -> Fit:
    """What the build learns from these texts, with other directions as the background."""
    count = len({e.route for e in exemplars} - {OUT_OF_SCOPE}) if routes_count is None else routes_count
    source = Source(exemplars, vectors, vectors[:0], [], unit_rows(background, DIM, 99), count)
    return fit(source, DEFAULT_VOTE, policy, prior, progress or NoProgress())
