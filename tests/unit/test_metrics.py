"""The metrics against hand-counted cases and slow, obvious twins."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from sklearn.metrics import roc_auc_score

from fingerpost.build.metrics import BINS, METRICS, Rows, at_share, aurc, ece, fpr95, measure, oos_auroc, weighted_ece


def rows_of(cases: list[tuple[bool, bool, bool, float]]) -> Rows:
    """Cases (in scope, best route is the label, accepted, confidence)."""
    in_scope = np.array([case[0] for case in cases], dtype=bool)
    best_right = np.array([case[0] and case[1] for case in cases], dtype=bool)
    accepted = np.array([case[2] for case in cases], dtype=bool)
    confidence = np.array([case[3] for case in cases], dtype=np.float64)
    return Rows(in_scope, best_right, accepted, best_right & accepted, confidence)


cases = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.5001, 0.9, 1.0])),
    min_size=1,
    max_size=60,
).map(rows_of)


def test_counted_by_hand() -> None:
    """Five cases of which every metric can be counted on the fingers."""
    rows = rows_of(
        [
            (True, True, True, 0.9),
            (True, False, True, 0.8),
            (True, True, False, 0.4),
            (False, False, True, 0.7),
            (False, False, False, 0.1),
        ]
    )
    values = {name: metric(rows) for name, metric in METRICS.items()}
    assert values["top1_accuracy"] == pytest.approx(2 / 3)
    assert values["in_scope_accuracy"] == pytest.approx(1 / 3)
    assert values["coverage"] == pytest.approx(3 / 5)
    assert values["precision"] == pytest.approx(1 / 3)
    assert values["oos_recall"] == pytest.approx(1 / 2)
    assert values["oos_auroc"] == pytest.approx(5 / 6)
    assert values["fpr95"] == pytest.approx(1 / 2)
    assert values["brier"] == pytest.approx((0.1**2 + 0.8**2 + 0.6**2 + 0.7**2 + 0.1**2) / 5)
    assert values["ece"] == pytest.approx((0.1 + 0.8 + 0.6 + 0.7 + 0.1) / 5)
    assert values["aurc"] == pytest.approx((0 + 1 / 2 + 2 / 3 + 2 / 4 + 3 / 5) / 5)


@given(cases)
def test_auroc_is_scikit_learns(rows: Rows) -> None:
    """With both kinds of cases the area equals scikit-learn's, ties and all; with one kind there is none."""
    if rows.in_scope.all() or not rows.in_scope.any():
        assert math.isnan(oos_auroc(rows))
    else:
        assert oos_auroc(rows) == pytest.approx(roc_auc_score(rows.in_scope, rows.confidence))


@given(cases)
def test_fpr95_keeps_95_percent_of_those_in_scope(rows: Rows) -> None:
    """The threshold behind it lets at least 95 % of the cases in scope pass, and no higher value among them does."""
    inside = np.sort(rows.confidence[rows.in_scope])
    outside = rows.confidence[~rows.in_scope]
    if len(inside) and len(outside):
        passing = [value for value in inside if (inside >= value).mean() >= 0.95]
        assert fpr95(rows) == pytest.approx((outside >= max(passing)).mean())


@given(cases)
def test_every_metric_is_a_share_or_absent(rows: Rows) -> None:
    """Whatever the cases, a metric lies in [0, 1] or cannot be counted."""
    for metric in METRICS.values():
        value = metric(rows)
        assert math.isnan(value) or 0.0 <= value <= 1.0


@given(cases, st.floats(0.01, 0.99), st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]))
def test_another_share_counts_cases_as_often_as_it_expects(rows: Rows, share: float, threshold: float) -> None:
    """Each number is that of an expectation over a case out of scope with chance `share`, else one in scope."""
    found = at_share(rows, rows.confidence, threshold, share)
    if rows.in_scope.all() or not rows.in_scope.any():
        assert set(found.values()) == {None}
        return
    inside, outside = np.flatnonzero(rows.in_scope), np.flatnonzero(~rows.in_scope)

    def expected(value: np.ndarray) -> float:
        return float((1 - share) * value[inside].mean() + share * value[outside].mean())

    accepted = rows.confidence >= threshold
    assert found["brier"] == pytest.approx(expected((rows.confidence - rows.best_right) ** 2))
    kept = expected(accepted.astype(float))
    if kept:
        assert found["precision"] == pytest.approx(expected((accepted & rows.best_right).astype(float)) / kept)
    else:
        assert found["precision"] is None
    assert found["ece"] is not None
    assert 0.0 <= found["ece"] <= 1.0


def test_the_share_that_is_there_is_measured_as_it_is() -> None:
    """With the cases' own share expected, the numbers are the plain ones."""
    random = np.random.default_rng(1)
    confidence, in_scope = random.uniform(size=600), random.uniform(size=600) < 0.7
    right = in_scope & (random.uniform(size=600) < confidence)
    rows = Rows(in_scope, right, confidence >= 0.4, right & (confidence >= 0.4), confidence)
    found = at_share(rows, confidence, 0.4, float((~in_scope).mean()))
    assert found["brier"] == pytest.approx(METRICS["brier"](rows))
    assert found["precision"] == pytest.approx(METRICS["precision"](rows))
    assert found["ece"] == pytest.approx(ece(rows), abs=0.005)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(1, 5)), min_size=1, max_size=60))
def test_a_weighted_error_is_the_sum_over_its_bins(cases: list[tuple[float, bool, int]]) -> None:
    """Cases lie in the bin that the middle of their weight falls into, counted one after the other."""
    ordered = sorted(cases, key=lambda case: case[0])  # stable, as the measure is
    total, passed, gaps = sum(case[2] for case in cases), 0, [0.0] * BINS
    for sure, good, weight in ordered:
        twice = 2 * passed + weight  # twice the middle, so that it is whole
        assume(twice * BINS % (2 * total))  # on the border rounding decides
        gaps[twice * BINS // (2 * total)] += weight / total * (sure - good)
        passed += weight
    found = weighted_ece(
        np.array([case[0] for case in cases]),
        np.array([case[1] for case in cases]),
        np.array([float(case[2]) for case in cases]),
    )
    assert found == pytest.approx(sum(map(abs, gaps)))


def test_equal_weights_err_as_the_plain_error() -> None:
    """With as many cases in every bin and equal weights both errors are one number."""
    random = np.random.default_rng(2)
    confidence = random.uniform(size=40 * BINS)
    right = random.uniform(size=40 * BINS) < confidence**2
    everything = np.ones(40 * BINS, dtype=bool)
    plain = ece(Rows(everything, right, everything, right, confidence))
    assert weighted_ece(confidence, right, np.full(40 * BINS, 0.3)) == pytest.approx(plain)


def test_a_calibrated_confidence_has_a_small_error() -> None:
    """Confidences that are the true chances have an error near zero, and constant overconfidence its own size."""
    random = np.random.default_rng(0)
    confidence = random.uniform(size=50_000)
    right = random.uniform(size=50_000) < confidence
    everything = np.ones(50_000, dtype=bool)
    assert ece(Rows(everything, right, everything, right, confidence)) < 0.01
    sure = Rows(everything, right, everything, right, np.ones(50_000))
    assert ece(sure) == pytest.approx(1 - right.mean())


def test_the_best_order_has_the_smallest_area() -> None:
    """Ranking the right ones first gives less area under the risk curve than ranking them last."""
    right = np.array([True] * 5 + [False] * 5)
    everything = np.ones(10, dtype=bool)
    falling, rising = np.linspace(1, 0, 10), np.linspace(0, 1, 10)
    good, bad = (aurc(Rows(everything, right, everything, right, order)) for order in (falling, rising))
    assert good < bad


@settings(max_examples=10, deadline=None)
@given(cases)
def test_intervals_hold_their_value_and_repeat(rows: Rows) -> None:
    """A value lies within its interval, the same cases give the same numbers, and what cannot be counted is absent."""
    first, second = measure(rows), measure(rows)
    assert first == second
    for name, measured in first.items():
        if measured.value is None:
            assert measured.low is None
            assert math.isnan(METRICS[name](rows))
        elif name not in {"ece", "fpr95", "aurc", "oos_auroc"}:  # these are biased in resamples
            assert measured.low is not None
            assert measured.high is not None
            assert measured.low - 1e-12 <= measured.value <= measured.high + 1e-12


def test_more_cases_narrow_the_interval() -> None:
    """With a hundred times the cases the interval is about a tenth as wide, and covers a share as theory says."""
    widths = []
    for count in (100, 10_000):
        right = np.arange(count) % 5 != 0
        everything = np.ones(count, dtype=bool)
        measured = measure(Rows(everything, right, everything, right, np.full(count, 0.8)))["precision"]
        assert measured.low is not None
        assert measured.high is not None
        widths.append(measured.high - measured.low)
    assert widths[0] == pytest.approx(2 * 1.96 * math.sqrt(0.16 / 100), rel=0.15)
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.25)


def test_no_cases_no_numbers() -> None:
    """An empty set of cases gives no number and no warning."""
    assert all(measured.value is None for measured in measure(rows_of([])).values())


def test_uncalibrated_confidences_are_not_measured() -> None:
    """Where a confidence is absent, the metrics that need it are absent, the others are there."""
    rows = rows_of([(True, True, True, float("nan")), (False, False, False, 0.5)])
    found = {name for name, measured in measure(rows).items() if measured.value is not None}
    assert found == {"top1_accuracy", "in_scope_accuracy", "coverage", "precision", "oos_recall"}
