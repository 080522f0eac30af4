"""`backends.encoder.tuning_plan`: what is held out stays held out, batches are balanced, and a seed decides all."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.backends.encoder.tuning_plan import (
    BATCH_ROUTES,
    MIN_UTTERANCES,
    Plan,
    Task,
    batches,
    make_plan,
    near_duplicates,
    planned_steps,
    rate,
)
from fingerpost.types import OUT_OF_SCOPE


def task_of(*counts: int, outside: int = 0, seed: int = 0) -> Task:
    """Routes with so many texts, none near another, and out-of-scope texts."""
    rng = np.random.default_rng(5)
    routes = [route for route, count in enumerate(counts) for _ in range(count)] + [OUT_OF_SCOPE] * outside
    texts = [" ".join("".join(map(chr, rng.integers(97, 123, 6))) for _ in range(4)) for _ in routes]
    return Task(tuple(texts), tuple(routes), seed)


def same(one: Plan, other: Plan) -> bool:
    return bool((one.held_out == other.held_out).all() and (one.outside == other.outside).all())


# --- The split ----------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(0, 40), st.integers(0, 3))
def test_every_route_keeps_texts_to_learn_from(counts: list[int], outside: int, seed: int) -> None:
    """A known route holds out a fifth at most, none when it is small; what is outside is never learned from."""
    plan = make_plan(task_of(*counts, outside=outside, seed=seed))
    assert not (plan.outside & ~plan.held_out).any()
    assert plan.outside[plan.routes == OUT_OF_SCOPE].all()
    for route, count in enumerate(counts):
        own = plan.routes == route
        if plan.outside[own].any():
            assert plan.outside[own].all()
        else:
            assert plan.held_out[own].sum() == (round(0.2 * count) if count >= MIN_UTTERANCES else 0)
    assert sorted([*plan.learned, *plan.judged, *np.flatnonzero(plan.outside)]) == list(range(len(plan.routes)))


def test_the_seed_decides_the_split() -> None:
    """Equal seeds hold out equal texts, another seed others."""
    assert same(make_plan(task_of(20, 20, 20, 20)), make_plan(task_of(20, 20, 20, 20)))
    assert not same(make_plan(task_of(20, 20, 20, 20)), make_plan(task_of(20, 20, 20, 20, seed=1)))


@pytest.mark.parametrize("seed", range(5))
def test_near_duplicates_are_held_out_together(seed: int) -> None:
    """Texts that differ in case, punctuation or a letter lie on one side."""
    bases = task_of(12).texts
    texts = [text for base in bases for text in (base, f"{base.upper()}!", f"{base}s ")]
    plan = make_plan(Task(tuple(texts), (0,) * len(texts), seed))
    for start in range(0, len(texts), 3):
        assert len(set(plan.held_out[start : start + 3].tolist())) == 1
    assert plan.held_out.any()


def test_near_duplicates_share_a_group() -> None:
    """Groups join what is alike, also through a third text, in any script, and keep apart what is not."""
    groups = near_duplicates(
        ["what is my balance", "What is my balance?", "block the card", "请把这句话翻译成英文", "翻译"]
    )
    assert groups.tolist() == [0, 0, 2, 3, 4]


def test_routes_stand_in_for_missing_out_of_scope_texts() -> None:
    """Without out-of-scope texts a tenth of the routes is left out whole; with enough of them none is."""
    alone = make_plan(task_of(*[10] * 20))
    assert len(set(alone.routes[alone.outside].tolist())) == 2
    given_texts = make_plan(task_of(*[10] * 20, outside=30))
    assert set(given_texts.routes[given_texts.outside].tolist()) == {OUT_OF_SCOPE}


@pytest.mark.parametrize(
    ("counts", "outside", "expected"),
    [
        ((40, 40, 40, 40), 0, True),
        ((40, 40, 40), 0, False),  # no route to spare
        ((40, 40, 40), 30, True),
        ((40, 40), 30, False),  # too few routes
        ((10, 10, 10, 10), 0, False),  # too few held out
        ((), 0, False),
    ],
)
def test_a_small_catalog_is_not_tuned_on(counts: tuple[int, ...], outside: int, expected: bool) -> None:
    """A plan says whether there is enough to tune on and to prove it by."""
    assert make_plan(task_of(*counts, outside=outside)).sufficient is expected


def test_a_task_is_known_by_its_texts() -> None:
    """The digest changes with a text and with a route, and not with the seed."""
    task = Task(("one", "two"), (0, 1))
    assert task.digest == Task(("one", "two"), (0, 1), seed=7).digest
    assert len({task.digest, Task(("one", "too"), (0, 1)).digest, Task(("one", "two"), (0, 0)).digest}) == 3


# --- Batches ------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=70), st.integers(0, 3))
def test_batches_are_balanced(counts: list[int], seed: int) -> None:
    """Each batch holds as many routes as it can, each with equally many texts, of which there are at least two."""
    routes = np.repeat(np.arange(len(counts)), counts)
    for batch in islice(batches(routes, seed), 5):
        found, each = np.unique(routes[batch], return_counts=True)
        assert len(found) == min(BATCH_ROUTES, len(counts))
        assert set(each.tolist()) == {each[0]}
        assert each[0] >= 2


def test_batches_come_in_rounds() -> None:
    """No route and no text of a route comes again before all others came."""
    routes = np.repeat(np.arange(96), 4)
    met = np.concatenate(list(islice(batches(routes, 0), 4)))
    assert sorted(met.tolist()) == list(range(len(routes)))


def test_the_seed_decides_the_batches() -> None:
    """Equal seeds give equal batches, another seed others."""
    routes = np.repeat(np.arange(60), 5)
    one, two, other = (np.stack(list(islice(batches(routes, seed), 6))).tolist() for seed in (3, 3, 4))
    assert one == two != other


def test_steps_and_rates_are_bounded() -> None:
    """More texts take more steps up to a limit; the rate rises once, to 1 at most, and falls to just over 0."""
    assert planned_steps(10) < planned_steps(1_000) < planned_steps(10_000) == planned_steps(1_000_000)
    rates = [rate(step, 100) for step in range(100)]
    peak = int(np.argmax(rates))
    assert 0.9 < rates[peak] <= 1.0
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)
    assert 0.0 < rates[-1] < 0.05
