"""`backends.encoder.tuning_verdict`: only what is better on unseen texts, and no worse at out of scope, is accepted."""

from collections.abc import Callable

import numpy as np
import pytest

from fingerpost.backends.encoder.tuning_plan import Plan, Rows, Task, make_plan
from fingerpost.backends.encoder.tuning_verdict import Probabilities, area_under_curve, judge
from fingerpost.types import Vectors

ROUTES, EACH, DIM = 20, 20, 32


def fit_nearest_mean(vectors: Vectors, routes: Rows) -> Callable[[Vectors], Probabilities]:
    means = np.stack([vectors[routes == route].mean(axis=0) for route in range(routes.max() + 1)])

    def probabilities(others: Vectors) -> Probabilities:
        grown = np.exp(8.0 * (others @ means.T).astype(np.float64))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True), dtype=np.float64)

    return probabilities


@pytest.fixture(scope="module")
def plan() -> Plan:
    texts = tuple(f"{route:05d} {number:05d}" for route in range(ROUTES) for number in range(EACH))
    return make_plan(Task(texts, tuple(np.repeat(np.arange(ROUTES), EACH).tolist())))


def vectors_with(plan: Plan, noise: float, *, outside_noise: float = 1.0) -> Vectors:
    """Every route a direction, its texts around it; what is outside lies around directions of its own."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(ROUTES, DIM))
    spread = np.where(plan.outside, outside_noise, noise)[:, None]
    vectors = centres[plan.routes] + spread * rng.normal(size=(len(plan.routes), DIM))
    if outside_noise == 0.0:  # outside texts are taken for the first known route
        vectors[plan.outside] = centres[plan.routes[plan.learned[0]]]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def test_a_better_encoder_is_accepted(plan: Plan) -> None:
    """Tighter routes are right more often, and the figures say so."""
    verdict = judge(plan, vectors_with(plan, 1.6), vectors_with(plan, 1.0), fit_nearest_mean)
    assert verdict.accepted
    assert verdict.tuned_accuracy > verdict.plain_accuracy
    assert verdict.texts_count == len(plan.judged)


@pytest.mark.parametrize("noise", [1.6, 2.5])
def test_what_is_no_better_is_refused(plan: Plan, noise: float) -> None:
    """The same vectors, and worse ones, are refused."""
    verdict = judge(plan, vectors_with(plan, 1.6), vectors_with(plan, noise), fit_nearest_mean)
    assert not verdict.accepted
    assert "not better" in verdict.why


def test_worse_detection_is_refused(plan: Plan) -> None:
    """An encoder that is right more often, and takes what is outside for a route, is refused."""
    tuned = vectors_with(plan, 1.0, outside_noise=0.0)
    verdict = judge(plan, vectors_with(plan, 1.6), tuned, fit_nearest_mean)
    assert not verdict.accepted
    assert verdict.tuned_accuracy > verdict.plain_accuracy
    assert verdict.tuned_detection < verdict.plain_detection
    assert "out of scope" in verdict.why


def test_the_area_under_the_curve() -> None:
    """1 when all inside lie above, 0 when all lie below, and a half when they are equal."""
    low, high = np.array([0.1, 0.2]), np.array([0.8, 0.9, 0.9])
    assert (area_under_curve(high, low), area_under_curve(low, high), area_under_curve(low, low)) == (1.0, 0.0, 0.5)
