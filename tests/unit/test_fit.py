"""Scorer, maps and threshold, on data whose truth is known and against slow, obvious twins."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression

from fingerpost.build.fit import MIN_IN_SCOPE, Fit, Source, fit
from fingerpost.build.folds import fold_numbers
from fingerpost.build.held_out import Sample
from fingerpost.build.linear import relative_distances, train_head, train_linear
from fingerpost.build.maps import fit_pick_map
from fingerpost.build.priors import PRIORS, Prior
from fingerpost.build.recipe import Part, vote_shares
from fingerpost.build.threshold import Graded, curve, promise, upper_limit
from fingerpost.ports import NoProgress
from fingerpost.serve.calibrate import FEATURES, SCOPE_FEATURES
from fingerpost.serve.head import read
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.types import OUT_OF_SCOPE, Calibration, Exemplar, Found, Neighbour, Policy, Vectors

DIM = 16
POLICY = Policy("big")
PRIOR = PRIORS["minilm"]


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


def learned(vectors: Vectors, exemplars: list[Exemplar], prior: Prior | None = PRIOR, background: int = 40) -> Fit:
    far = clustered(1, 1, background, seed=99)[0][1:]
    routes = len({e.route for e in exemplars if e.route >= 0})
    source = Source(exemplars, vectors, vectors[:0], [], far, routes)
    return fit(source, DEFAULT_VOTE, POLICY, prior, NoProgress())


def test_the_linear_head_is_balanced_logistic_regression() -> None:
    """Probabilities equal those of a well-known implementation of the same objective."""
    vectors, exemplars = clustered(4, 12)
    kept = np.r_[0:12, 12:18, 24:36, 36:40]
    rows, routes = vectors[kept], np.array([exemplars[i].route for i in kept])
    head = train_linear(rows, routes, 4, 0.1)
    twin = LogisticRegression(C=10.0, class_weight="balanced", tol=1e-6, max_iter=1000).fit(rows, routes)
    logits = rows @ head[:-1] + head[-1]
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert grown / grown.sum(axis=1, keepdims=True) == pytest.approx(twin.predict_proba(rows), abs=0.02)


def test_repeating_a_routes_utterances_changes_no_score() -> None:
    """However often one route's utterances are written, it weighs what the others weigh."""
    vectors, exemplars = clustered(3, 8)
    routes = np.array([e.route for e in exemplars])
    repeated = np.concatenate([np.arange(24), *[np.arange(8)] * 4])
    plain = train_linear(vectors, routes, 3, 0.1)
    # The objective is a sum over rows: the penalty grows with their number, as a reindex's share of rows does.
    again = train_linear(vectors[repeated], routes[repeated], 3, 0.1 * len(repeated) / 24)
    assert vectors @ again[:-1] + again[-1] == pytest.approx(vectors @ plain[:-1] + plain[-1], abs=0.05)


def test_a_reading_equals_the_definitions() -> None:
    """Probabilities, energy and distance are those of the textbook formulas, written out."""
    vectors, exemplars = clustered(3, 10)
    routes = np.array([e.route for e in exemplars])
    head = train_head(train_linear(vectors, routes, 3, 0.1), vectors, routes)
    precise = vectors.astype(np.float64)
    means = [precise[routes == route].mean(axis=0) for route in range(3)]

    def inverse(rows: np.ndarray, freedom: int) -> np.ndarray:
        covariance = sum(np.outer(row, row) for row in rows) / freedom
        return np.linalg.inv(0.7 * covariance + 0.3 * np.trace(covariance) / DIM * np.eye(DIM))

    within = inverse(precise - np.array(means)[routes], len(precise) - 3)
    overall = inverse(precise - precise.mean(axis=0), len(precise) - 1)
    for vector in vectors[::7]:
        reading = read(head, vector)
        logits = [float(vector @ head.linear[:-1, k] + head.linear[-1, k]) for k in range(3)]
        assert reading.probabilities == pytest.approx([math.exp(v) / sum(map(math.exp, logits)) for v in logits])
        assert reading.energy == pytest.approx(math.log(sum(map(math.exp, logits)) / 3), abs=1e-5)
        far = vector - precise.mean(axis=0)
        nearest = min(float((vector - m) @ within @ (vector - m)) for m in means)
        assert reading.closeness == pytest.approx(-(nearest - float(far @ overall @ far)) / DIM, rel=1e-3, abs=1e-3)


def test_distances_are_finite_without_any_spread() -> None:
    """One text a route, or equal texts, leave a head with finite numbers."""
    equal = np.repeat(clustered(1, 1)[0], 4, axis=0)
    for routes in (np.array([0, 0, 1, 1]), np.arange(4)):
        assert all(np.isfinite(array).all() for array in relative_distances(equal, routes, len(set(routes))))


def test_vote_shares_are_the_servers() -> None:
    """The vote for many texts at once equals the one that serving takes for each."""
    vectors, exemplars = clustered(4, 8)
    routes = np.array([e.route for e in exemplars])
    part = Part(vectors, routes, vectors[:0], routes[:0], np.arange(4), 1.0)
    queries = clustered(1, 1, 6, seed=5)[0]
    for query, shares in zip(queries, vote_shares(queries, part, DEFAULT_VOTE), strict=True):
        products = (vectors @ query).tolist()
        order = sorted(range(len(products)), key=lambda i: (-products[i], i))[: DEFAULT_VOTE.neighbours]
        found = score(Found([Neighbour(i, products[i]) for i in order]), exemplars, DEFAULT_VOTE)
        assert {r.route: r.score for r in found.routes} == pytest.approx(
            {k: share for k, share in enumerate(shares.tolist()) if share}, abs=1e-5
        )


def test_near_duplicates_share_a_fold_and_order_does_not_matter() -> None:
    """Texts that say the same are held out together; a text's fold does not depend on where it stands."""
    vectors, exemplars = clustered(5, 10, spread=2.0)
    vectors[1] = vectors[0]
    folds = fold_numbers(vectors, exemplars, 5)
    assert folds[0] == folds[1]
    order = np.random.default_rng(1).permutation(len(exemplars))
    assert fold_numbers(vectors[order], [exemplars[i] for i in order], 5).tolist() == folds[order].tolist()
    for route in range(5):
        assert np.bincount(folds[10 * route : 10 * route + 10], minlength=5).max() <= 3


@pytest.mark.parametrize(("number", "found"), [(1, 0), (45, 0), (100, 3), (2000, 90), (10, 10)])
def test_the_limit_is_clopper_and_pearsons(number: int, found: int) -> None:
    """The limit equals the quantile of the beta distribution that defines it."""
    expected = 1.0 if found == number else beta.ppf(0.9, found + 1, number - found)
    assert upper_limit(number, found, 0.1) == pytest.approx(expected, abs=1e-6)


def test_a_kept_promise_is_seldom_broken() -> None:
    """Over many draws, the true precision above a proven threshold is under the target in at most a tenth of them."""
    broken = kept = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        confidence = random.uniform(size=1000)
        source = (random.uniform(size=1000) < 0.3).astype(np.int64)
        right = (source == 0) & (random.uniform(size=1000) < confidence**0.3)
        share = 0.15
        weights = np.where(source == 0, (1 - share) / (source == 0).sum(), share / (source == 1).sum())
        chosen = promise(Graded(confidence, right, weights, source), 0.75)
        above = np.linspace(chosen.threshold, 1, 10_000)
        truth = (1 - share) * (above**0.3).mean()  # of as many texts out of scope as in it above any threshold
        kept += chosen.kept
        broken += chosen.kept and truth < 0.75
    assert kept > 50
    assert broken <= 10


def test_too_few_texts_prove_nothing() -> None:
    """A dozen right decisions keep no promise; the report says how many would."""
    few = Graded(np.linspace(0.5, 1, 30), np.ones(30, dtype=bool), np.ones(30), np.zeros(30, dtype=np.int64))
    chosen = promise(few, 0.95)
    assert (chosen.kept, chosen.accepted, chosen.right) == (False, 30, 30)
    assert chosen.texts_needed is not None
    assert chosen.texts_needed > 30
    nothing = promise(few.take(np.zeros(30, dtype=bool)), 0.95)
    assert (nothing.threshold, nothing.kept, nothing.texts_needed) == (0.95, False, None)


def test_the_curve_covers_more_the_lower_the_threshold() -> None:
    """Coverage grows to all texts while the threshold falls, and no bound is above its precision."""
    random = np.random.default_rng(3)
    confidence = random.uniform(size=400)
    right = random.uniform(size=400) < confidence
    points = curve(Graded(confidence, right, np.ones(400), np.zeros(400, dtype=np.int64)))
    assert [p.coverage for p in points] == sorted(p.coverage for p in points)
    assert [p.threshold for p in points] == sorted((p.threshold for p in points), reverse=True)
    assert points[-1].coverage == pytest.approx(1.0)
    assert all(p.precision_bound <= p.precision for p in points)


def test_the_map_finds_the_true_weights() -> None:
    """On many texts whose chance of being right is a logistic map's, that map is found, and its routes' offsets."""
    random = np.random.default_rng(0)
    rows = random.uniform(-1, 1, (20_000, len(FEATURES)))
    best = random.integers(0, 2, 20_000)
    odds = rows @ np.array([2.0, 1.0, 3.0]) + 0.5 + np.where(best == 1, 0.4, -0.4)
    right = random.uniform(size=20_000) < 1 / (1 + np.exp(-odds))
    inside = np.ones(20_000, dtype=bool)
    scope = np.zeros((20_000, len(SCOPE_FEATURES)))
    sample = Sample(rows, scope, best, inside, right, np.ones(20_000), np.zeros(20_000, dtype=np.int64), best)
    found = fit_pick_map(sample, 3, None)
    assert found.weights == pytest.approx((2.0, 1.0, 3.0), abs=0.3)
    assert found.route_offsets[1] - found.route_offsets[0] == pytest.approx(0.8, abs=0.1)
    assert (found.route_offsets[2], found.fitted_routes) == (0.0, (0, 1))


def test_enough_texts_fit_the_catalogs_own_maps() -> None:
    """With enough utterances both maps are the catalog's, and no weight lowers a chance."""
    fitted = learned(*clustered(6, 12, spread=1.0))
    assert fitted.confidence_map.calibration is Calibration.POOLED
    assert fitted.scope_map is not None
    assert min((*fitted.confidence_map.weights, *fitted.scope_map.weights)) >= 0.0
    assert fitted.promise is not None
    assert 0.0 < fitted.threshold <= 1.0


def test_few_texts_take_the_shipped_maps() -> None:
    """With too few utterances the encoder's maps serve; with one route, or no maps, nothing is invented."""
    few = clustered(5, (MIN_IN_SCOPE - 1) // 5)
    assert learned(*few).confidence_map.calibration is Calibration.PRIOR
    assert learned(*few, prior=None).confidence_map.calibration is Calibration.NONE
    assert learned(*clustered(1, 20)).confidence_map.calibration is Calibration.NONE
    assert learned(*clustered(3, 1)).left_out_accuracy is None


def test_equal_vectors_and_order_are_no_trouble() -> None:
    """Utterances that an encoder cannot tell apart leave finite numbers."""
    vectors, exemplars = clustered(4, 15)
    fitted = learned(np.repeat(vectors[:1], 60, axis=0), exemplars)
    assert fitted.head is not None
    assert np.isfinite(fitted.head.linear).all()
    assert math.isfinite(fitted.threshold)


def test_the_same_texts_learn_the_same() -> None:
    """A fit repeated gives equal arrays and maps."""
    source = clustered(5, 14, 40)
    one, other = learned(*source), learned(*source)
    assert one.head is not None
    assert other.head is not None
    assert np.array_equal(one.head.linear, other.head.linear)
    assert (one.confidence_map, one.scope_map, one.threshold) == (
        other.confidence_map,
        other.scope_map,
        other.threshold,
    )
    assert replace(one.recipe) == other.recipe
