"""Fit: everything that a decision learns from the texts: scorer, maps and threshold."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.folds import HoldOut, hold_out, nothing_held_out
from fingerpost.build.held_out import MIN_OUT_OF_SCOPE, Outside, Sample, clear_of, clipped, collect, steps
from fingerpost.build.linear import Floats, train_head, widened
from fingerpost.build.maps import Maps, cross_graded, fit_maps
from fingerpost.build.priors import Prior
from fingerpost.build.recipe import Recipe, Texts, choose_recipe, mean, part_of
from fingerpost.build.threshold import Graded, promise
from fingerpost.ports import Progress
from fingerpost.serve.calibrate import FEATURES
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
    held: HoldOut | None = None  # of the utterances; None: folds in turn

    @property
    def routes(self) -> NDArray[np.int64]:
        """The exemplars' routes."""
        return np.array([exemplar.route for exemplar in self.exemplars], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A head, and what it is the mean of."""

    head: Head
    linears: Floats  # (settings, dim + 1, routes with utterances), in the order of the recipe's settings


@dataclass(frozen=True, slots=True)
class Fit:
    """What the build learned from the texts."""

    trained: Trained | None  # None without any utterance
    recipe: Recipe
    maps: Maps
    threshold: float
    promise: Promise | None  # None where the maps are not the catalog's own
    graded: Graded | None  # the held-out decisions that the threshold rests on
    sample: Sample

    @property
    def left_out_accuracy(self) -> float | None:
        """Share of held-out utterances whose best route is their own; None without any."""
        if not self.sample.in_scope_count:
            return None
        return int(self.sample.right.sum()) / self.sample.in_scope_count


def fit(
    source: Source,
    vote: VoteParameters,
    policy: Policy,
    prior: Prior | None,
    progress: Progress,
    proof: Source | None = None,
) -> Fit:
    """Train the scorer, fit the maps on held-out texts and choose the threshold for the policy's target precision.

    Args:
        source: Utterances, out-of-scope texts and what helps to tell them apart.
        vote: How neighbours vote.
        policy: Scorer, target precision and expected out-of-scope share.
        prior: The maps shipped for the encoder; None for encoders without one.
        progress: Advances by one for each head that is trained.
        proof: The same texts as an encoder sees them that was tuned without the held-out ones; None where the encoder
            was tuned on none. Settings, maps and threshold are learned from it, the head from `source`.
    """
    judged = proof or source
    texts, outside = _texts(judged, judged.held or _hold_out(judged)), _outside(judged)
    progress.step("fit", len(texts.held.turns) + steps(texts, outside))
    chosen = choose_recipe(texts, policy.scorer, vote, progress)
    trained = train(source, chosen.recipe) if len(texts.routes) else None
    sample = collect(texts, outside, chosen, vote, policy.out_of_scope_share, progress)
    return _calibrated(sample, trained, chosen.recipe, source, policy, prior)


def train(source: Source, recipe: Recipe, starts: Floats | None = None) -> Trained:
    """Train on all utterances, at least one.

    Args:
        source: What there is to learn from.
        recipe: How.
        starts: `linears` of nearly the same utterances, from which it takes few steps.
    """
    texts = _texts(source, nothing_held_out(int((source.routes != OUT_OF_SCOPE).sum())))
    whole = part_of(texts, np.ones(len(texts.routes), dtype=bool))
    if starts is None:
        heads = whole.train_each(recipe.settings)
        linears = np.stack([heads[setting] for setting in recipe.settings])
    else:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # each fit keeps to one thread
            linears = np.stack(list(pool.map(whole.train_one, recipe.settings, starts)))
    head = train_head(mean(list(linears)), whole.vectors, whole.routes)
    return Trained(widened(head, whole.present, source.routes_count), linears)


def _texts(source: Source, held: HoldOut) -> Texts:
    """The utterances, and how they are held out."""
    inside = source.routes != OUT_OF_SCOPE
    hint_routes = np.array(source.hint_routes, dtype=np.int64)
    return Texts(source.vectors[inside], source.routes[inside], held, source.hints, hint_routes)


def _hold_out(source: Source) -> HoldOut:
    own = [exemplar for exemplar in source.exemplars if exemplar.route != OUT_OF_SCOPE]
    return hold_out(source.vectors[source.routes != OUT_OF_SCOPE], own)


def _outside(source: Source) -> Outside:
    """The catalog's own out-of-scope texts; the background where they are too few."""
    routed = source.routes != OUT_OF_SCOPE
    own = source.vectors[~routed]
    if len(own) >= MIN_OUT_OF_SCOPE:
        return Outside(own, source.background[:0])
    return Outside(own, clear_of(source.background, source.vectors[routed]))


def _calibrated(
    sample: Sample, trained: Trained | None, recipe: Recipe, source: Source, policy: Policy, prior: Prior | None
) -> Fit:
    if sample.in_scope_count < MIN_IN_SCOPE or not sample.right.any():
        kinds = len({exemplar.route for exemplar in source.exemplars})
        threshold = prior.threshold if prior else 1.0
        return Fit(
            trained, recipe, _shipped(prior, kinds, sample.in_scope_count, policy), threshold, None, None, sample
        )
    share = policy.out_of_scope_share
    graded = cross_graded(sample, source.routes_count, share, prior)
    kept = promise(graded, policy.target_precision)
    maps = fit_maps(sample, source.routes_count, share, prior)
    return Fit(trained, recipe, maps, kept.threshold, kept, graded, sample)


def route_promise(fitted: Fit, route: int, target: float) -> Promise | None:
    """What a route's own target rests on: its own held-out decisions, or all of them where its own prove nothing."""
    if fitted.graded is None:
        return None
    own: NDArray[np.bool_] = fitted.sample.best == route
    graded = fitted.graded
    alone = promise(graded.take(own), target)
    return alone if alone.kept else promise(graded, target)


def _shipped(prior: Prior | None, kinds: int, count: int, policy: Policy) -> Maps:
    """The encoder's maps where enough kinds of text compete for a score to mean anything; else its similarity alone."""
    if prior is None or kinds < MIN_KINDS:
        similarity = 1.0 if prior is None else prior.similarity_alone
        return Maps(ConfidenceMap(Calibration.NONE, 0.0, (0.0,) * len(FEATURES), count, similarity), None)
    share = clipped(policy.out_of_scope_share)
    shift = float(np.log((1 - share) / share) - np.log((1 - prior.scope_share) / prior.scope_share))
    pick = ConfidenceMap(Calibration.PRIOR, prior.intercept, prior.weights, count, prior.similarity_floor)
    return Maps(pick, ScopeMap(prior.scope_intercept + shift, prior.scope_weights, share))
