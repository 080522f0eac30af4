"""Shares before and after: published intervals, exact coverage, and slow twins that resample and enumerate."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.build.diff.paired import exact_p_value, paired_interval, precision_delta, share_delta

counts = st.integers(0, 40)
flags = st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((36, 2, 12, 0), 0.0569, 0.3404),  # Newcombe 1998, table II
        ((1, 7, 1, 12), -0.507, -0.026),  # Fagerland, Lydersen and Laake 2014: airway hyper-responsiveness
        ((14, 0, 5, 22), 0.011, 0.226),  # Altman et al. 2000, "Statistics with confidence", table 6.2
    ],
)
def test_published_intervals(table: tuple[int, int, int, int], low: float, high: float) -> None:
    """Tables of the literature give the limits that were printed there."""
    assert paired_interval(*table) == pytest.approx((low, high), abs=6e-4)


@given(counts, counts, counts, counts)
def test_an_interval_holds_its_change_and_mirrors(both: int, lost: int, gained: int, neither: int) -> None:
    """The change lies in its interval, within [-1, 1]; exchanging before and after turns the interval around."""
    count = both + lost + gained + neither
    if count:
        low, high = paired_interval(both, lost, gained, neither)
        assert -1.0 <= low <= (gained - lost) / count + 1e-12
        assert (gained - lost) / count - 1e-12 <= high <= 1.0
        mirrored = paired_interval(both, gained, lost, neither)
        assert mirrored == pytest.approx((-high, -low))


@pytest.mark.parametrize(
    "chances", [(0.85, 0.05, 0.06, 0.04), (0.6, 0.1, 0.2, 0.1), (0.9, 0.02, 0.02, 0.06), (0.25, 0.25, 0.25, 0.25)]
)
def test_an_interval_covers_as_often_as_it_says(chances: tuple[float, float, float, float]) -> None:
    """Over every table of 25 texts, weighed by its chance, the true change is covered in at least 93 % of cases."""
    count, truth, covered = 25, chances[2] - chances[1], 0.0
    for both, lost, gained in product(range(count + 1), repeat=3):
        neither = count - both - lost - gained
        if neither < 0:
            continue
        cells = (both, lost, gained, neither)
        ways = math.factorial(count) // math.prod(math.factorial(cell) for cell in cells)
        low, high = paired_interval(*cells)
        if low <= truth <= high:
            covered += ways * math.prod(chance**cell for chance, cell in zip(chances, cells, strict=True))
    assert 0.93 <= covered <= 1.0 + 1e-9


def test_an_interval_is_that_of_resampling_where_there_are_many_texts() -> None:
    """With thousands of texts a bootstrap of the pairs gives the same limits to a fraction of a point."""
    table, random = np.array([2400, 150, 210, 240]), np.random.default_rng(3)
    drawn = random.multinomial(table.sum(), table / table.sum(), 20_000)
    expected = np.percentile((drawn[:, 2] - drawn[:, 1]) / table.sum(), (2.5, 97.5))
    assert paired_interval(*table.tolist()) == pytest.approx(tuple(expected), abs=1e-3)


@pytest.mark.parametrize(("lost", "gained"), [(lost, gained) for lost in range(6) for gained in range(7)])
def test_the_exact_test_counts_every_outcome(lost: int, gained: int) -> None:
    """Of all ways in which texts can change sides, it is the share of those at least as one-sided."""
    changed = lost + gained
    outcomes = [sum(sides) for sides in product((0, 1), repeat=changed)]
    least = abs(gained - lost)
    expected = sum(abs(changed - 2 * ups) >= least for ups in outcomes) / len(outcomes)
    assert exact_p_value(lost, gained) == pytest.approx(expected)


def test_the_exact_test_of_many_texts() -> None:
    """Thousands of texts overflow nothing: even sides are chance, uneven ones as unlikely as the normal curve says."""
    assert exact_p_value(5_000, 5_000) == 1.0
    assert exact_p_value(4_900, 5_100) == pytest.approx(math.erfc(199 / 100 / math.sqrt(2)), rel=0.01)
    assert exact_p_value(0, 3_000) == 0.0


@given(flags)
def test_a_share_is_counted(rows: list[tuple[bool, bool, bool, bool]]) -> None:
    """Both shares, their change and the test are those of counting one text after the other."""
    before, after = [row[0] for row in rows], [row[1] for row in rows]
    delta = share_delta(np.array(before), np.array(after))
    assert delta is not None
    assert (delta.before, delta.after) == (sum(before) / len(rows), sum(after) / len(rows))
    assert delta.change == pytest.approx(delta.after - delta.before)
    lost = sum(old and not new for old, new in zip(before, after, strict=True))
    gained = sum(new and not old for old, new in zip(before, after, strict=True))
    assert delta.p_value == exact_p_value(lost, gained)


def test_no_texts_have_no_share() -> None:
    """Nothing is made up where nothing was decided."""
    none = np.zeros(0, dtype=bool)
    assert share_delta(none, none) is None
    assert precision_delta(none, none, none, none) is None


@settings(max_examples=25, deadline=None)
@given(flags)
def test_a_precision_is_counted_on_what_was_accepted(rows: list[tuple[bool, bool, bool, bool]]) -> None:
    """Before and after have denominators of their own, and without one there is no precision."""
    accepted_before, right_before, accepted_after, right_after = np.array(rows).T
    delta = precision_delta(accepted_before, right_before, accepted_after, right_after)
    if not accepted_before.any() or not accepted_after.any():
        assert delta is None
        return
    assert delta is not None
    assert delta.before == pytest.approx(right_before[accepted_before].mean())
    assert delta.after == pytest.approx(right_after[accepted_after].mean())
    assert delta.low - 1e-12 <= delta.change <= delta.high + 1e-12 or len(rows) < 10
    assert delta.p_value is None
    assert delta == precision_delta(accepted_before, right_before, accepted_after, right_after)


def test_a_precision_interval_is_that_of_drawing_texts() -> None:
    """Drawing whole texts one by one, the slow way, gives the limits that drawing kinds of texts gives."""
    random = np.random.default_rng(4)
    accepted_before, accepted_after = random.random(400) < 0.8, random.random(400) < 0.85
    right_before = random.random(400) < 0.9
    right_after = np.where(random.random(400) < 0.95, right_before, ~right_before)
    delta = precision_delta(accepted_before, right_before, accepted_after, right_after)
    changes = []
    for _ in range(4_000):
        drawn = random.integers(0, 400, 400)
        before = right_before[drawn][accepted_before[drawn]].mean()
        changes.append(right_after[drawn][accepted_after[drawn]].mean() - before)
    expected = np.percentile(changes, (2.5, 97.5))
    assert delta is not None
    assert (delta.low, delta.high) == pytest.approx(tuple(expected), abs=3e-3)
