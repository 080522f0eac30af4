"""Clusters: average linkage against a slow twin, the metric and the cut that routes teach, representatives."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.build.suggest.clusters import average_linkage, best_cut, clusters_of, metric_of, representatives
from fingerpost.types import Vectors
from tests.clouds import clustered, unit_rows

CUT = 0.5


def slow_clusters(vectors: Vectors, cut: float) -> list[list[int]]:
    """Merge the two clusters with the greatest mean similarity, as long as it reaches the cut."""
    clusters = [[row] for row in range(len(vectors))]
    similarities = (vectors @ vectors.T).astype(np.float64)
    while len(clusters) > 1:
        pairs = [(a, b) for a in range(len(clusters)) for b in range(a)]
        means = [similarities[np.ix_(clusters[a], clusters[b])].mean() for a, b in pairs]
        best = int(np.argmax(means))
        if means[best] < cut:
            break
        a, b = pairs[best]
        clusters[b] += clusters.pop(a)
    return sorted(sorted(rows) for rows in clusters)


@given(st.integers(1, 24), st.integers(0, 1000), st.floats(-0.3, 0.9))
@settings(max_examples=60, deadline=None)
def test_clusters_are_those_of_the_slow_twin(count: int, seed: int, cut: float) -> None:
    """Chains of nearest neighbours give the clusters that merging the nearest pair again and again gives."""
    vectors = unit_rows(count, 6, seed)
    assert [rows.tolist() for rows in clusters_of(vectors, cut)] == slow_clusters(vectors, cut)


def test_equal_texts_end_in_one_cluster() -> None:
    """Ties have an end: many equal vectors are one cluster, whatever stands beside."""
    vectors = np.repeat(unit_rows(2, 8, 1), [30, 1], axis=0)
    assert len(average_linkage(vectors @ vectors.T)) == 30
    assert [len(rows) for rows in clusters_of(vectors, 0.99)] == [30, 1]


def test_no_texts_have_no_clusters() -> None:
    """Nothing comes of nothing."""
    assert clusters_of(unit_rows(1, 8, 1)[:0], CUT) == []


def test_the_cut_that_fits_the_routes_best() -> None:
    """Where routes are clouds apart from each other, the cut parts them without an error."""
    vectors, exemplars = clustered(6, 10, spread=0.3)
    routes = np.array([exemplar.route for exemplar in exemplars])
    cut, agreement = best_cut(vectors, routes)
    found = clusters_of(vectors, cut)
    assert agreement == 1.0
    assert sorted(sorted(set(routes[rows])) for rows in found) == [[route] for route in range(6)]


def test_routes_teach_which_differences_do_not_matter() -> None:
    """New routes are told apart by what tells the known ones apart, however loud the rest is."""
    random = np.random.default_rng(4)
    routes = np.repeat(np.arange(30), 12)
    means, loud = random.standard_normal((30, 8)), 1.0
    known = np.hstack([means[routes] + 0.3 * random.standard_normal((360, 8)), loud * random.standard_normal((360, 8))])
    own = np.repeat(np.arange(4), 15)
    new = np.hstack(
        [
            random.standard_normal((4, 8))[own] + 0.3 * random.standard_normal((60, 8)),
            loud * random.standard_normal((60, 8)),
        ]
    )
    unit = [(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32) for rows in (known, new)]
    metric = metric_of(unit[0], routes)
    turned = metric.of(unit[1])
    assert np.allclose(np.linalg.norm(turned, axis=1), 1.0, atol=1e-5)
    found = [rows for rows in clusters_of(turned, metric.cut) if len(rows) >= 5]
    assert len(found) == 4
    assert all(len(set(own[rows])) == 1 for rows in found)


def test_few_utterances_teach_nothing() -> None:
    """With little to learn from, texts are compared as the encoder sees them."""
    vectors, exemplars = clustered(3, 4)
    metric = metric_of(vectors, np.array([exemplar.route for exemplar in exemplars]))
    assert np.allclose(metric.of(vectors), vectors, atol=1e-6)


def test_representatives_are_no_paraphrases() -> None:
    """One of each cloud is chosen before a second of any, the largest cloud's first."""
    vectors, exemplars = clustered(4, 10, spread=0.05)
    weights = np.array([2.0 if exemplar.route == 2 else 1.0 for exemplar in exemplars])
    chosen = representatives(vectors, weights, 4, vectors[:0])
    assert exemplars[chosen[0]].route == 2
    assert sorted(exemplars[row].route for row in chosen) == [0, 1, 2, 3]


def test_what_is_known_needs_no_representative() -> None:
    """Texts that a known one stands for already are not chosen, and nothing is chosen for a gain that is too small."""
    vectors, exemplars = clustered(3, 10, spread=0.05)
    known = vectors[:1]
    chosen = representatives(vectors, np.ones(len(vectors)), 9, known, least=0.05)
    assert sorted({exemplars[row].route for row in chosen}) == [1, 2]
    assert len(chosen) == 2


@pytest.mark.parametrize("count", [1, 3, 50])
def test_no_more_representatives_than_texts(count: int) -> None:
    """Each text is chosen at most once."""
    chosen = representatives(unit_rows(7, 16, 3), np.ones(7), count, unit_rows(1, 16, 3)[:0])
    assert len(chosen) == len(set(chosen)) == min(count, 7)
