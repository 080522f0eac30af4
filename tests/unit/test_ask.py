"""Ask: the texts whose label would teach most are unsure, many alike, and unlike each other."""

import numpy as np

from fingerpost.build.suggest import ask
from fingerpost.build.suggest.ask import choose
from tests.clouds import clustered, unit_rows


def test_each_unsure_cloud_is_asked_once() -> None:
    """Of several clouds of unsure texts each gets a question before any gets a second; the sure one none."""
    vectors, exemplars = clustered(5, 12, spread=0.1)
    unsure = np.array([0.02 if exemplar.route == 3 else 0.9 for exemplar in exemplars])
    chosen = choose(vectors, unsure, np.ones(60), vectors[:0], 4)
    assert sorted(exemplars[row].route for row in chosen) == [0, 1, 2, 4]


def test_what_the_utterances_cover_is_not_asked() -> None:
    """A text that equals an utterance teaches nothing."""
    vectors, exemplars = clustered(3, 8, spread=0.1)
    known = vectors[:8]
    chosen = choose(vectors, np.full(24, 0.5), np.ones(24), known, 2)
    assert sorted(exemplars[row].route for row in chosen) == [1, 2]


def test_what_is_asked_often_comes_first() -> None:
    """Of equally unsure texts the one that stands for most requests is asked."""
    vectors, _ = clustered(4, 1)
    assert choose(vectors, np.full(4, 0.5), np.array([1.0, 1.0, 5.0, 1.0]), vectors[:0], 1) == [2]


def test_all_are_chosen_where_there_are_no_more() -> None:
    """Each text is asked at most once, and no text that is not there."""
    vectors = unit_rows(6, 16, 2)
    assert sorted(choose(vectors, np.zeros(6), np.ones(6), vectors[:0], 50)) == list(range(6))


def test_many_texts_are_compared_in_part() -> None:
    """Beyond the limit the least known texts are compared, and the choice is the same each time."""
    count = ask.MAX_CANDIDATES + 500
    vectors = unit_rows(count, 8, 5)
    unsure = np.linspace(0.0, 1.0, count)
    chosen = choose(vectors, unsure, np.ones(count), vectors[:0], 5)
    assert min(chosen) >= 500
    assert chosen == choose(vectors, unsure, np.ones(count), vectors[:0], 5)
