"""Thresholds and what they promise, on decisions whose truth is known and against slow, obvious twins."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import beta, binom

from fingerpost.build.threshold import RISK, Graded, combined_risk, curve, promise

# Few different confidences, so that many are equal.
decisions = st.tuples(
    st.sampled_from([0.0, 0.3, 0.30001, 0.5, 0.77, 0.9, 0.90004, 1.0]), st.booleans(), st.integers(0, 2)
)


def graded(rows: list[tuple[float, bool, int]], share: float = 0.2) -> Graded:
    """Decisions (confidence, right, source), the sources other than 0 out of scope and together `share`."""
    source = np.array([row[2] for row in rows], dtype=np.int64)
    counts = np.bincount(source, minlength=3)
    kinds = int((counts[1:] > 0).sum())
    inside = 1.0 - share if kinds else 1.0
    weights = [inside / counts[s] if s == 0 else share / kinds / counts[s] for s in source.tolist()]
    right = np.array([good and s == 0 for _, good, s in rows], dtype=bool)
    return Graded(np.array([row[0] for row in rows]), right, np.array(weights), source)


def drawn(seed: int, count: int, share: float = 0.15) -> Graded:
    """Decisions whose confidence is the true chance of being right, a third of them out of scope and less sure."""
    random = np.random.default_rng(seed)
    source = (random.uniform(size=count) < 1 / 3).astype(np.int64)
    confidence = np.where(source == 0, random.beta(5, 1, count), random.beta(1, 3, count))
    right = (source == 0) & (random.uniform(size=count) < confidence)
    weights = np.where(source == 0, (1 - share) / (source == 0).sum(), share / (source == 1).sum())
    return Graded(confidence, right, weights, source)


def counted(given_rows: Graded, threshold: float) -> tuple[int, int, float]:
    """Texts in scope that the threshold accepts, the right ones of them, and the weighted precision."""
    taken = given_rows.confidence >= threshold
    inside = taken & (given_rows.source == 0)
    total = float(given_rows.weights[taken].sum())
    good = float(given_rows.weights[taken & given_rows.right].sum())
    return int(inside.sum()), int((inside & given_rows.right).sum()), good / total if total else 0.0


@pytest.mark.parametrize(("number", "found"), [(20, 0), (45, 0), (100, 3), (2000, 90), (5000, 4)])
def test_without_texts_out_of_scope_the_bound_is_clopper_and_pearsons(number: int, found: int) -> None:
    """With errors of one kind alone the bound is the quantile of the beta distribution that defines the exact limit."""
    rows = [(0.9, n >= found, 0) for n in range(number)]
    expected = 1.0 - beta.ppf(1.0 - RISK, found + 1, number - found)
    assert curve(graded(rows))[-1].precision_bound == pytest.approx(expected, abs=1e-4)


@given(
    st.lists(st.tuples(st.integers(5, 60), st.floats(0.0, 0.4), st.floats(0.1, 1.0)), min_size=1, max_size=3),
    st.integers(0, 1000),
)
@settings(deadline=None, max_examples=40)
def test_the_risk_is_the_worst_of_all_rates_that_break_it(kinds: list[tuple[int, float, float]], seed: int) -> None:
    """No rates with the allowed errors make the counts likelier, by Fisher's method, and some make them about so."""
    random = np.random.default_rng(seed)
    sources = [(number, round(number * share), weight) for number, share, weight in kinds]
    allowed = 0.5 * sum(weight for _, _, weight in sources)
    shares = random.dirichlet(np.full(len(sources), 0.7), 20_000) * allowed
    rates = shares / np.array([weight for _, _, weight in sources])
    rates = rates[(rates <= 1.0).all(axis=1)]
    chances = np.prod([binom.cdf(k, n, rates[:, place]) for place, (n, k, _) in enumerate(sources)], axis=0)
    logs = -np.log(np.maximum(chances, 1e-300))
    fisher = chances * sum(logs**power / math.factorial(power) for power in range(len(sources)))
    risk = combined_risk(allowed, sources)
    assert 0.0 <= risk <= 1.0
    assert float(fisher.max()) <= risk * (1 + 1e-6) + 1e-12
    assert risk <= 1.35 * float(fisher.max()) + 0.02


@given(st.lists(decisions, max_size=120), st.sampled_from([0.5, 0.7, 0.9]))
@settings(deadline=None)
def test_a_promise_counts_what_its_threshold_accepts(rows: list[tuple[float, bool, int]], target: float) -> None:
    """However many confidences are equal, the counts are those of every text at or above the threshold."""
    given_rows = graded(rows)
    found = promise(given_rows, target)
    assert 0.0 <= found.threshold <= 1.0
    if found.accepted:
        accepted, right, precision = counted(given_rows, found.threshold)
        assert (found.accepted, found.right) == (accepted, right)
        assert found.accepted >= 20
        assert precision >= target - 1e-9
        assert found.precision_bound is not None
        assert found.precision_bound <= precision + 1e-9
        assert not found.kept or found.precision_bound >= target
    else:
        assert (found.threshold, found.precision_bound, found.kept) == (target, None, False)


@given(st.lists(decisions, min_size=20, max_size=120), st.sampled_from([0.5, 0.7, 0.9]))
@settings(deadline=None)
def test_an_unproven_threshold_held_where_any_did(rows: list[tuple[float, bool, int]], target: float) -> None:
    """Without a proof the threshold is one that kept the target as counted; where none did, the target itself."""
    given_rows = graded(rows)
    found = promise(given_rows, target)
    tried = {math.floor(one * 1e4) / 1e4 for one in given_rows.confidence.tolist()}
    counts = {one: counted(given_rows, one) for one in tried}
    holding = {one for one, (accepted, _, held) in counts.items() if accepted >= 20 and held >= target - 1e-9}
    if not found.kept:
        assert found.threshold in (holding or {target})


@pytest.mark.long
def test_an_unproven_threshold_is_held_as_often_as_not() -> None:
    """With too few texts for a proof, half of the draws at least keep the target all the same."""
    truth = drawn(10_000, 1_000_000)
    held = []
    for seed in range(200):
        found = promise(drawn(seed, 90), 0.9)
        if not found.kept:
            held.append(counted(truth, found.threshold)[2] >= 0.9)
    assert len(held) > 100
    assert sum(held) >= len(held) / 2


@given(st.lists(decisions, max_size=60), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_changes_no_promise(rows: list[tuple[float, bool, int]], random: "np.random.Generator") -> None:
    """The same decisions in another order give the same promise."""
    moved = list(rows)
    random.shuffle(moved)
    assert promise(graded(moved), 0.8) == promise(graded(rows), 0.8)


@pytest.mark.long
def test_a_kept_promise_is_seldom_broken() -> None:
    """Over many draws the true precision above a proven threshold is under the target in at most a tenth of them."""
    truth = drawn(10_000, 1_000_000)
    order = np.argsort(-truth.confidence)
    good = np.cumsum((truth.weights * truth.right)[order]) / np.cumsum(truth.weights[order])
    falling, broken, kept = -truth.confidence[order], 0, 0
    for seed in range(300):
        found = promise(drawn(seed, 400), 0.8)
        if found.kept:
            kept += 1
            broken += bool(good[np.searchsorted(falling, -found.threshold, "right") - 1] < 0.8)
    assert kept > 200
    assert broken <= rarely(kept)


@pytest.mark.long
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_what_is_nowhere_true_is_seldom_proven(share: float) -> None:
    """Where the true precision is a little under the target at every threshold, hardly any draw keeps the promise."""
    kept = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        source = (random.uniform(size=200) < share).astype(np.int64)
        right = (source == 0) & (random.uniform(size=200) < 0.89)
        rows = zip(random.uniform(size=200).tolist(), right.tolist(), source.tolist(), strict=True)
        kept += promise(graded(list(rows), share), 0.9 * (1 - share)).kept
    assert kept <= rarely(200)


def rarely(times: int) -> float:
    """What a chance of RISK stays under in so many trials, almost surely."""
    return times * RISK + 3 * math.sqrt(times * RISK * (1 - RISK))


@pytest.mark.parametrize(("number", "proven"), [(300, True), (100, True), (90, False), (30, False)])
def test_all_right_is_proven_by_enough_texts(number: int, proven: bool) -> None:
    """Right decisions alone accept everything, with a proof when there are enough of them."""
    found = promise(graded([(0.5 + n / 2 / number, True, 0) for n in range(number)]), 0.95)
    assert (found.kept, found.threshold, found.accepted, found.right) == (proven, 0.5, number, number)


@pytest.mark.parametrize("number", [30, 71, 80, 95])
def test_as_many_texts_as_needed_prove_it(number: int) -> None:
    """With the number that an unproven promise asks for it is kept; far fewer than that prove nothing."""
    found = promise(graded([(0.5 + n / 2 / number, True, 0) for n in range(number)]), 0.95)
    assert found.texts_needed is not None
    assert found.texts_needed > number
    enough = promise(graded([(0.5 + n / 2 / found.texts_needed, True, 0) for n in range(found.texts_needed)]), 0.95)
    fewer = round(0.85 * found.texts_needed)
    assert enough.kept
    assert not promise(graded([(0.5 + n / 2 / fewer, True, 0) for n in range(fewer)]), 0.95).kept


def test_all_wrong_promises_nothing() -> None:
    """Where no decision was right the threshold is the target, and no number of texts would do."""
    found = promise(graded([(n / 200, False, 0) for n in range(200)]), 0.9)
    assert (found.threshold, found.accepted, found.kept, found.texts_needed) == (0.9, 0, False, None)


@pytest.mark.parametrize("source", [0, 1])
def test_too_few_texts_promise_nothing(source: int) -> None:
    """No text at all, a single one, or none in scope gives no proof and no failure."""
    for rows in ([], [(0.9, True, source)], [(0.9, True, 1)] * 50):
        found = promise(graded(rows), 0.9)
        assert (found.threshold, found.kept, found.texts_needed) == (0.9, False, None)


def test_equal_confidences_are_accepted_together() -> None:
    """A hundred right and a hundred wrong decisions of one confidence keep no promise, whichever come first."""
    right_first = [(0.9, n < 100, 0) for n in range(200)]
    for rows in (right_first, right_first[::-1]):
        assert (promise(graded(rows), 0.9).kept, promise(graded(rows), 0.9).accepted) == (False, 0)
        [point] = curve(graded(rows))
        assert (point.threshold, point.coverage, point.precision) == (0.9, 1.0, 0.5)


def test_out_of_scope_texts_cost_their_share() -> None:
    """Accepted out-of-scope texts lower the precision by what they weigh in the traffic, not by how many there are."""
    rows = [(0.9, True, 0)] * 400 + [(0.9, False, 1)] * 40
    assert curve(graded(rows, share=0.2))[-1].precision == pytest.approx(0.8)
    assert promise(graded(rows, share=0.2), 0.9).accepted == 0
    assert promise(graded(rows, share=0.02), 0.9).kept
    # Few texts out of scope leave their share open, although none of them was accepted.
    few, many = ([(0.9, True, 0)] * 400 + [(0.1, False, 1)] * count for count in (5, 100))
    low, high = (promise(graded(rows, share=0.2), 0.9) for rows in (few, many))
    assert low.precision_bound is not None
    assert high.precision_bound is not None
    assert low.precision_bound < high.precision_bound


@given(st.lists(decisions, max_size=80))
@settings(deadline=None)
def test_the_curve_covers_more_the_lower_the_threshold(rows: list[tuple[float, bool, int]]) -> None:
    """Coverage grows to all texts while the threshold falls, each once, and every point is what would be counted."""
    given_rows = graded(rows)
    points = curve(given_rows)
    assert [p.threshold for p in points] == sorted({p.threshold for p in points}, reverse=True)
    assert [p.coverage for p in points] == sorted(p.coverage for p in points)
    assert all(p.precision_bound <= p.precision for p in points)
    assert not points or points[-1].coverage == pytest.approx(1.0)
    for point in points:
        assert point.precision == pytest.approx(counted(given_rows, point.threshold)[2], abs=1e-4)
        taken = given_rows.confidence >= point.threshold
        expected = float(given_rows.weights[taken].sum() / given_rows.weights.sum())
        assert point.coverage == pytest.approx(expected, abs=1e-4)
