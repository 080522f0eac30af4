"""Fit: everything that a decision learns from the texts: scorer, maps and threshold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.folds import fold_numbers
from fingerpost.build.held_out import MIN_OUT_OF_SCOPE, Outside, Sample, clear_of, clipped, collect, steps
from fingerpost.build.linear import train_head, widened
from fingerpost.build.maps import fit_pick_map, fit_scope_map
from fingerpost.build.priors import Prior
from fingerpost.build.recipe import FOLDS, Recipe, Texts, choose_recipe, part_of, usable_folds
from fingerpost.build.threshold import Graded, promise
from fingerpost.ports import Progress
from fingerpost.serve.calibrate import FEATURES, confidence_of, in_scope_of
from fingerpost.types import (
    OUT_OF_SCOPE,
    Calibration,
    ConfidenceMap,
    Exemplar,
    Head,
    Policy,
    Promise,
    ScopeMap,
    Vectors,
    VoteParameters,
)

MIN_IN_SCOPE = 50
"""Held-out utterances under which the catalog's own data fit no map."""

MIN_KINDS = 4
"""Routes, out of scope counted as one, under which a score says too little for the encoder's map."""


@dataclass(frozen=True, slots=True)
class Source:
    """What there is to learn from: vectors are float32 unit rows."""

    exemplars: Sequence[Exemplar]
    vectors: Vectors  # one for each exemplar
    hints: Vectors  # of routes' names and descriptions
    hint_routes: Sequence[int]
    background: Vectors  # of texts that belong to no route of any catalog
    routes_count: int  # with those that have no utterances


@dataclass(frozen=True, slots=True)
class Fit:
    """What the build learned from the texts."""

    head: Head | None  # None without any utterance
    recipe: Recipe
    confidence_map: ConfidenceMap
    scope_map: ScopeMap | None
    threshold: float
    promise: Promise | None  # None where the maps are not the catalog's own
    graded: Graded | None  # the held-out decisions that the threshold rests on
    sample: Sample | None

    @property
    def left_out_accuracy(self) -> float | None:
        """Share of held-out utterances whose best route is their own; None without any."""
        if self.sample is None or not self.sample.in_scope_count:
            return None
        return int(self.sample.right.sum()) / self.sample.in_scope_count


def fit(source: Source, vote: VoteParameters, policy: Policy, prior: Prior | None, progress: Progress) -> Fit:
    """Train the scorer, fit the maps on held-out texts and choose the threshold for the policy's target precision.

    Args:
        source: Utterances, out-of-scope texts and what helps to tell them apart.
        vote: How neighbours vote.
        policy: Scorer, target precision and expected out-of-scope share.
        prior: The maps shipped for the encoder; None for encoders without one.
        progress: Advances by one for each head that is trained.
    """
    texts, outside = _texts(source), _outside(source)
    folds = len(usable_folds(texts))
    progress.step("fit", folds + steps(texts, outside, folds))
    chosen = choose_recipe(texts, policy.scorer, vote, progress)
    head = _head(texts, chosen.recipe, source.routes_count) if len(texts.routes) else None
    sample = collect(texts, outside, chosen, vote, policy.out_of_scope_share, progress)
    return _calibrated(sample, head, chosen.recipe, source, policy, prior)


def _head(texts: Texts, recipe: Recipe, routes_count: int) -> Head:
    whole = part_of(texts, np.ones(len(texts.routes), dtype=bool))
    linear = whole.train(recipe.settings)
    return widened(train_head(linear, whole.vectors, whole.routes), whole.present, routes_count)


def _texts(source: Source) -> Texts:
    routes = np.array([exemplar.route for exemplar in source.exemplars], dtype=np.int64)
    inside = routes != OUT_OF_SCOPE
    own = [exemplar for exemplar in source.exemplars if exemplar.route != OUT_OF_SCOPE]
    return Texts(
        source.vectors[inside],
        routes[inside],
        fold_numbers(source.vectors[inside], own, FOLDS),
        source.hints,
        np.array(source.hint_routes, dtype=np.int64),
    )


def _outside(source: Source) -> Outside:
    """The catalog's own out-of-scope texts; the background where they are too few."""
    routes = np.array([exemplar.route for exemplar in source.exemplars], dtype=np.int64)
    own = source.vectors[routes == OUT_OF_SCOPE]
    if len(own) >= MIN_OUT_OF_SCOPE:
        return Outside(own, source.background[:0])
    return Outside(own, clear_of(source.background, source.vectors[routes != OUT_OF_SCOPE]))


def _calibrated(
    sample: Sample, head: Head | None, recipe: Recipe, source: Source, policy: Policy, prior: Prior | None
) -> Fit:
    right = sample.right[sample.inside]
    if sample.in_scope_count < MIN_IN_SCOPE or not right.any():
        kinds = len({exemplar.route for exemplar in source.exemplars})
        confidence_map, scope_map = _shipped(prior, kinds, sample.in_scope_count, policy)
        threshold = prior.threshold if prior else 1.0
        return Fit(head, recipe, confidence_map, scope_map, threshold, None, None, sample)
    confidence_map = fit_pick_map(sample, source.routes_count, prior)
    scope_map = fit_scope_map(sample, policy.out_of_scope_share, prior)
    graded = grade(sample, confidence_map, scope_map)
    kept = promise(graded, policy.target_precision)
    return Fit(head, recipe, confidence_map, scope_map, kept.threshold, kept, graded, sample)


def grade(sample: Sample, confidence_map: ConfidenceMap, scope_map: ScopeMap | None) -> Graded:
    """The sample's confidences by these maps."""
    confidence = [
        (confidence_of(pick, confidence_map, int(best)) or 0.0) * (in_scope_of(scope, scope_map) if scope_map else 1.0)
        for pick, scope, best in zip(sample.pick, sample.scope, sample.best, strict=True)
    ]
    return Graded(np.array(confidence, dtype=np.float64), sample.right, sample.weights, sample.source)


def route_promise(fitted: Fit, route: int, target: float) -> Promise | None:
    """What a route's own target rests on: its own held-out decisions, or all of them where its own prove nothing."""
    if fitted.graded is None or fitted.sample is None:
        return None
    own: NDArray[np.bool_] = fitted.sample.best == route
    graded = fitted.graded
    alone = promise(graded.take(own), target)
    return alone if alone.kept else promise(graded, target)


def _shipped(prior: Prior | None, kinds: int, count: int, policy: Policy) -> tuple[ConfidenceMap, ScopeMap | None]:
    """The encoder's maps where enough kinds of text compete for a score to mean anything; else its similarity alone."""
    if prior is None or kinds < MIN_KINDS:
        similarity = 1.0 if prior is None else prior.similarity_alone
        return ConfidenceMap(Calibration.NONE, 0.0, (0.0,) * len(FEATURES), count, similarity), None
    share = clipped(policy.out_of_scope_share)
    shift = float(np.log((1 - share) / share) - np.log((1 - prior.scope_share) / prior.scope_share))
    pick = ConfidenceMap(Calibration.PRIOR, prior.intercept, prior.weights, count, prior.similarity_floor)
    return pick, ScopeMap(prior.scope_intercept + shift, prior.scope_weights, share)
