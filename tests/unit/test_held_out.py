"""What the maps and the threshold learn from: texts scored as the server would score them, had it never seen them."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.build.held_out import (
    BACKGROUND,
    INSIDE,
    LEFT_OUT,
    MIN_OUT_OF_SCOPE,
    OWN,
    Outside,
    Sample,
    clear_of,
    collect,
    steps,
)
from fingerpost.build.linear import train_head
from fingerpost.build.recipe import Chosen, Texts, choose_recipe, part_of
from fingerpost.ports import NoProgress
from fingerpost.serve.calibrate import features, scope_features
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.serve.search import Space, find
from fingerpost.types import OUT_OF_SCOPE, Exemplar, Scorer, Vectors, VoteParameters
from tests.clouds import DIM, clustered, texts_of, unit_rows

FEW = VoteParameters(neighbours=4, temperature=0.1)
"""So few neighbours that the head proposes routes that are not among them, and that all may be out of scope."""


class Counting(NoProgress):
    """Counts what is announced and what is done."""

    def __init__(self) -> None:
        self.done = 0

    def advance(self, count: int = 1) -> None:
        self.done += count


def scored_by_serving(texts: Texts, own: Vectors, asked: Vectors, fold: int, turn: int, chosen: Chosen) -> list[object]:
    """What search and score make of these texts with a real index of all that the fold may know."""
    part = part_of(texts, texts.held.folds != fold)
    order = sorted(range(len(part.routes)), key=lambda row: (int(part.routes[row]), row))
    known = [row for number, row in enumerate(own) if number % len(chosen.heads) != turn]
    exemplars = [Exemplar("", int(part.routes[row])) for row in order] + [Exemplar("", OUT_OF_SCOPE)] * len(known)
    engine = FaissFlatEngine()
    index = engine.open(engine.build(np.array([*part.vectors[order], *known], dtype=np.float32)))
    head = train_head(chosen.heads[fold], part.vectors, part.routes)
    rows: list[object] = []
    for vector in asked:
        found = find(Space.of(index, exemplars, head), vector, FEW.neighbours)
        scores = score(found, exemplars, FEW, chosen.recipe.blend)
        best = int(part.present[scores.routes[0].route])
        rows.append((*features(scores, 0), *scope_features(scores), best))
    return rows


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000), st.integers(2, 8), st.sampled_from([0, 7, 40]), st.sampled_from(Scorer))
def test_texts_are_scored_as_serving_would(seed: int, routes: int, outside: int, scorer: Scorer) -> None:
    """Each held-out text's features and best route are those of search and score on an index without its fold."""
    vectors, exemplars = clustered(routes, 9, outside, seed)
    texts, own, far = texts_of(vectors, exemplars), vectors[routes * 9 :], unit_rows(11, DIM, seed + 1)
    chosen = choose_recipe(texts, scorer, FEW, NoProgress())
    sample = collect(texts, Outside(own, far), chosen, FEW, 0.2, NoProgress())
    expected: list[object] = []
    for turn, fold in enumerate(chosen.heads):
        inside = texts.vectors[texts.held.folds == fold]
        for asked in (inside, own[turn :: len(chosen.heads)], far[turn :: len(chosen.heads)]):
            expected += scored_by_serving(texts, own, asked, fold, turn, chosen)
    kept = sample.source != LEFT_OUT
    rows = np.column_stack([sample.pick, sample.scope, sample.best])[kept]
    assert rows == pytest.approx(np.array(expected), abs=2e-3)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_every_utterance_is_held_out_once(seed: int, routes: int) -> None:
    """Each utterance is asked once among those in scope, and right where its route is the best."""
    texts = texts_of(*clustered(routes, 8, seed=seed))
    chosen = choose_recipe(texts, Scorer.AUTO, DEFAULT_VOTE, NoProgress())
    sample = collect(texts, Outside(texts.vectors[:0], texts.vectors[:0]), chosen, DEFAULT_VOTE, 0.2, NoProgress())
    assert sample.in_scope_count == len(texts.routes)
    asked = np.concatenate([texts.routes[texts.held.folds == fold] for fold in texts.held.turns])
    assert sorted(asked.tolist()) == sorted(texts.routes.tolist())
    assert sample.right[sample.inside].tolist() == (sample.best[sample.inside] == asked).tolist()
    assert not sample.right[~sample.inside].any()


def collected(routes: int, each: int, outside: int, background: int, share: float) -> Sample:
    vectors, exemplars = clustered(routes, each, outside)
    texts, own = texts_of(vectors, exemplars), vectors[routes * each :]
    chosen = choose_recipe(texts, Scorer.AUTO, DEFAULT_VOTE, NoProgress())
    far = Outside(own, unit_rows(background, DIM, 5))
    return collect(texts, far, chosen, DEFAULT_VOTE, share, NoProgress())


@pytest.mark.parametrize(
    ("routes", "outside", "background", "groups"),
    [
        (3, MIN_OUT_OF_SCOPE, 0, [[OWN]]),
        (3, 200, 0, [[OWN]]),
        (6, 5, 40, [[OWN, BACKGROUND], [LEFT_OUT]]),
        (6, 0, 40, [[BACKGROUND], [LEFT_OUT]]),
        (3, 0, 40, [[BACKGROUND]]),
        (6, 0, 0, [[LEFT_OUT]]),
    ],
)
def test_weights_follow_the_expected_share(routes: int, outside: int, background: int, groups: list[list[int]]) -> None:
    """However many texts there are of a kind, kinds weigh what is expected of the traffic, stand-ins half and half."""
    sample = collected(routes, 10, outside, background, 0.2)
    total = float(sample.weights.sum())
    assert total == pytest.approx(len(sample.weights))
    assert float(sample.weights[sample.source == INSIDE].sum()) / total == pytest.approx(0.8)
    assert {*np.unique(sample.source).tolist()} == {INSIDE, *(kind for group in groups for kind in group)}
    for group in groups:
        share = float(sample.weights[np.isin(sample.source, group)].sum()) / total
        assert share == pytest.approx(0.2 / len(groups))


@pytest.mark.parametrize("share", [0.0, 0.15, 0.999])
def test_any_share_leaves_weights_above_none(share: float) -> None:
    """A share of none still tells texts out of scope apart, and without such texts nothing is weighed for them."""
    assert (collected(4, 10, 40, 0, share).weights > 0).all()
    alone = collected(3, 10, 0, 0, share)
    assert alone.inside.all()
    assert alone.weights == pytest.approx(np.ones(30))


def test_left_out_routes_stand_in_for_texts_near_by() -> None:
    """Utterances whose whole route is left out meet nothing of it, however near together its utterances lie."""
    vectors, exemplars = clustered(6, 10, spread=0.35)
    texts, none = texts_of(vectors, exemplars), Outside(vectors[:0], vectors[:0])
    chosen = choose_recipe(texts, Scorer.AUTO, DEFAULT_VOTE, NoProgress())
    sample = collect(texts, none, chosen, DEFAULT_VOTE, 0.2, NoProgress())
    away = sample.source == LEFT_OUT
    assert 10 <= int(away.sum()) < 60
    assert sample.right[sample.inside].all()
    assert (sample.scope[away, 0] < float(sample.scope[sample.inside, 0].min())).all()


@pytest.mark.parametrize(("routes", "outside"), [(1, 0), (3, 0), (4, 0), (9, 0), (9, 40)])
def test_progress_is_announced_as_it_is_made(routes: int, outside: int) -> None:
    """The steps that are announced are those that are done."""
    vectors, exemplars = clustered(routes, 6, outside)
    texts, far = texts_of(vectors, exemplars), Outside(vectors[routes * 6 :], vectors[:0])
    chosen = choose_recipe(texts, Scorer.AUTO, DEFAULT_VOTE, NoProgress())
    progress = Counting()
    collect(texts, far, chosen, DEFAULT_VOTE, 0.2, progress)
    assert progress.done == steps(texts, far)


def test_background_near_an_utterance_is_no_background() -> None:
    """Of the background only what is far from all utterances stands for texts out of scope."""
    vectors, _ = clustered(3, 10)
    far = unit_rows(50, DIM, 7)
    kept = clear_of(np.concatenate([far, vectors[:5]]), vectors)
    products = vectors @ vectors.T - 2 * np.eye(len(vectors), dtype=np.float32)
    typical = float(np.median(products.max(axis=1)))
    assert [row.tolist() for row in kept] == [row.tolist() for row in far if float((vectors @ row).max()) < typical]
    assert len(kept) > 0


@pytest.mark.parametrize("count", [0, 1])
def test_background_of_hardly_any_utterances_is_kept(count: int) -> None:
    """Without two utterances nothing tells what is near."""
    assert len(clear_of(unit_rows(5, DIM, 0), unit_rows(count, DIM, 1))) == 5
