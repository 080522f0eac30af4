"""Measures what selections among several models give: mean score over mean cost, on real models' answers.

    .venv/bin/python benchmarks/quality/frontier.py --sets ../shared/data --data data
    .venv/bin/python benchmarks/quality/run.py --render-only

The prompts are parted into folds. For each fold a catalog is made of the others alone, a route for each kind of prompt,
with prices, and with each model's mean score on the route as its quality; it is published by the real reindex and asked
the fold. The encoder runs once; then each setting of the selection decides the same judgements. What falls back goes to
the model that was the best one on the other folds.

Beside it stand each model alone, RouterBench's zero router (see `hull.py`), the oracle (of each prompt's best models
the cheapest), and the same selections with every prompt on its nearest route, however unsure, and on its right route.
Intervals are of 95 %, from drawing the prompts again; the catalogs stay as they are.

The sets hold no dialogues and no latencies, so neither a session's switch of models nor `fastest` is measured.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from hull import Points, aiq_gain, cost_for, hull_of, quality_at
from model_routes import Training, write_routes
from numpy.typing import NDArray
from outcomes import LLMROUTER, ROUTERARENA, SETS, Outcomes, folds_of, missing
from reading import KNOWN, NEAREST, ROUTED
from recorded import ROOT, header
from settings import Setting, by_cost_weight, by_quality_floor, by_weights
from systems import Bench, open_bench

from fingerpost.build.judging import Opinion
from fingerpost.cli.progress import progress
from fingerpost.ports import Progress
from fingerpost.serve.decide import decide
from fingerpost.serve.plan import Plan
from fingerpost.serve.rules import NO_RULING, Ruling
from fingerpost.serve.select import Asked
from fingerpost.serve.situation import Situation
from fingerpost.serve.tokens import estimated_tokens
from fingerpost.telemetry.logs import configure_logs
from fingerpost.types import Decider, Demands, Text

FOLDS = {LLMROUTER: 2, ROUTERARENA: 5}
"""RouterArena's few prompts are parted into more, so that catalogs are not smaller than they need be."""

DRAWS = 1000
SEED = 1

Choice = NDArray[np.int64]
"""The model of each of n prompts, by its number."""


def main() -> None:
    given = _arguments()
    configure_logs("auto", quiet=True)
    results: dict[str, Any] = {**header(), "draws": DRAWS, "sets": {}}
    with progress() as bar, open_bench(given.data, bar) as bench:
        for name, read in SETS.items():
            results["sets"][name] = measure(read(given.sets), FOLDS[name], bench, bar)
            print(json.dumps({name: results["sets"][name]["summary"]}, indent=1), flush=True)
    _write(given.out, results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder that holds or gets the encoder")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/frontier.json", help="results")
    given = parser.parse_args()
    absent = missing(given.sets)
    if absent:
        sys.exit(f"{parser.prog}: {given.sets} lacks {', '.join(absent)}: give the folder of the sets with --sets")
    return given


def measure(outcomes: Outcomes, folds: int, bench: Bench, bar: Progress) -> dict[str, Any]:
    """All that the results say of a set."""
    corners = _zero_models(outcomes)
    sweeps = {
        "best_value": by_cost_weight(),
        "cheapest": by_quality_floor(),
        "weighted": by_weights([outcomes.models[number] for number in corners]),
    }
    settings = [setting for sweep in sweeps.values() for setting in sweep]
    asked = _asked(outcomes, folds, settings, bench, bar)
    sample = Sample(outcomes)
    return {
        "title": outcomes.title,
        "prompts": len(outcomes.prompts),
        "folds": folds,
        "routes": len({route for route in outcomes.routes if route is not None}),
        "routing": _routing(outcomes, asked),
        "models": [
            {"model": model, **sample.point(sample.fixed(number))} for number, model in enumerate(outcomes.models)
        ],
        "zero_router": [outcomes.models[number] for number in corners],
        "oracle": sample.point(_oracle(outcomes)),
        "curves": {way: _curves(asked.choices[way], sweeps, sample) for way in asked.choices},
        "summary": {way: _summary(choices, sweeps, sample) for way, choices in asked.choices.items()},
    }


def _write(path: Path, results: dict[str, Any]) -> None:
    """One line a list of numbers."""
    text = json.dumps(results, indent=1)
    path.write_text(
        _NUMBERS.sub(lambda found: "[" + " ".join(found[0][1:-1].split()) + "]", text) + "\n", encoding="utf-8"
    )


_NUMBERS = re.compile(r"\[[-\d.,\snul]+\]")

# --- Deciding -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """What n prompts got from catalogs that never saw them."""

    decided: list[str | None]  # the route of each prompt; None: fell back
    nearest: list[str | None]
    choices: Mapping[str, list[Choice]]  # by way, one a setting


def _asked(outcomes: Outcomes, folds: int, settings: Sequence[Setting], bench: Bench, bar: Progress) -> _Answers:
    count = len(outcomes.prompts)
    fold_of = folds_of(outcomes, folds, SEED)
    answers = _Answers(
        [None] * count,
        [None] * count,
        {way: [np.zeros(count, dtype=np.int64) for _ in settings] for way in (ROUTED, NEAREST, KNOWN)},
    )
    for fold in range(folds):
        bar.step(f"{outcomes.title}: fold {fold + 1} of {folds}")
        training = Training(outcomes, np.flatnonzero(fold_of != fold))
        _ask(training, np.flatnonzero(fold_of == fold), settings, bench, answers)
    return answers


def _ask(
    training: Training, held_out: NDArray[np.intp], settings: Sequence[Setting], bench: Bench, answers: _Answers
) -> None:
    """Publish the training prompts, and fill in what the held-out ones get."""
    outcomes = training.outcomes
    number_of = {model: number for number, model in enumerate(outcomes.models)}
    with tempfile.TemporaryDirectory(prefix="fingerpost-frontier-") as folder:
        write_routes(training, Path(folder) / "routes", SEED)
        bench.publish_folder(Path(folder) / "routes")
        with bench.studied() as (study, _):
            opinions = study.opinions([Text(outcomes.prompts[number], "held out", int(number)) for number in held_out])
            decider = study.decider
    for number, opinion in zip(held_out, opinions, strict=True):
        answers.decided[number], answers.nearest[number] = opinion.decision.route, opinion.best
    for place, setting in enumerate(settings):
        served = _with(decider, setting)
        plan, accepting = Plan.of(served), Plan.of(_accepting(served))
        for number, opinion in zip(held_out, opinions, strict=True):
            ways = {
                ROUTED: _model(opinion, plan, NO_RULING),
                NEAREST: _model(opinion, accepting, NO_RULING),
                KNOWN: _model(opinion, plan, _to(outcomes.routes[number], training.fallback_model)),
            }
            for way, model in ways.items():
                answers.choices[way][place][number] = number_of[model]


def _with(decider: Decider, setting: Setting) -> Decider:
    """The same catalog with another selection; what it learned of the length of answers stays."""
    routes = tuple(
        replace(route, selection=replace(setting.selection, output_tokens=route.selection.output_tokens))
        for route in decider.routes
    )
    return replace(decider, routes=routes)


def _accepting(decider: Decider) -> Decider:
    """The same catalog with `min_confidence: 0` in every route."""
    return replace(decider, routes=tuple(replace(route, threshold=0.0) for route in decider.routes))


def _to(route: str | None, fallback_model: str) -> Ruling:
    return Ruling(model=fallback_model) if route is None else Ruling(route=route)


def _model(opinion: Opinion, plan: Plan, ruling: Ruling) -> str:
    """As the server's for a caller that says nothing but the text."""
    tokens = estimated_tokens(opinion.text.text)
    asked = Asked(key=opinion.text.text, input_tokens=tokens)
    return decide(opinion.judgement, plan, Situation(Demands(input_tokens=tokens), asked, ruling)).model


def _routing(outcomes: Outcomes, answers: _Answers) -> dict[str, float]:
    """How often prompts came to a route, and to their own; shares of all that have one."""
    inside = [number for number, route in enumerate(outcomes.routes) if route is not None]
    accepted = [number for number in inside if answers.decided[number] is not None]
    right = sum(answers.decided[number] == outcomes.routes[number] for number in accepted)
    nearest = sum(answers.nearest[number] == outcomes.routes[number] for number in inside)
    return {
        "accepted": round(len(accepted) / len(inside), 4),
        "accepted_right": round(right / max(1, len(accepted)), 4),
        "nearest_right": round(nearest / len(inside), 4),
    }


# --- Measuring ------------------------------------------------------------------------------------------------------


def _zero_models(outcomes: Outcomes) -> list[int]:
    """The models that the zero router draws from, the cheapest first."""
    points = np.column_stack((outcomes.costs.mean(axis=0), outcomes.scores.mean(axis=0)))
    return [int(np.flatnonzero((points == corner).all(axis=1))[0]) for corner in hull_of(points)]


def _oracle(outcomes: Outcomes) -> Choice:
    return np.array([np.lexsort((c, -s))[0] for s, c in zip(outcomes.scores, outcomes.costs, strict=True)])


class Sample:
    """The prompts as they are and as they are drawn again, for means with intervals; draws are the same for all."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        count = len(outcomes.prompts)
        drawn = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=DRAWS)
        self._weights = np.vstack((np.full(count, 1.0), drawn)) / count
        self._zeros = [hull_of(models) for models in self.all_models()]

    def fixed(self, model: int) -> Choice:
        return np.full(len(self._outcomes.prompts), model)

    def means(self, choices: Sequence[Choice]) -> NDArray[np.float64]:
        """Mean cost and score of each of p choices: shape (1 + draws, p, 2), the prompts as they are first."""
        rows = np.arange(len(self._outcomes.prompts))
        values = [np.array([table[rows, one] for one in choices]).T for table in self._tables]
        return np.stack([self._weights @ one for one in values], axis=2)

    def all_models(self) -> NDArray[np.float64]:
        return self.means([self.fixed(number) for number in range(len(self._outcomes.models))])

    def point(self, choice: Choice) -> dict[str, Any]:
        costs, scores = self.means([choice])[:, 0].T
        return {
            "score": interval(scores),
            "cost": interval(costs),
            "over_zero": interval(self._over_zero(costs, scores)),
        }

    def _over_zero(self, costs: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The score less what the zero router has for as much."""
        return np.array([s - quality_at(zero, c) for c, s, zero in zip(costs, scores, self._zeros, strict=True)])

    @property
    def _tables(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._outcomes.costs, self._outcomes.scores


def interval(values: NDArray[np.float64]) -> list[float | None]:
    """The first value and the 95 % interval of the others, low and high; None stands for what is not finite."""
    low, high = np.quantile(values[1:], [0.025, 0.975], method="nearest")
    return [round(float(one), 5) + 0.0 if np.isfinite(one) else None for one in (values[0], low, high)]


def _curves(
    choices: Sequence[Choice], sweeps: Mapping[str, Sequence[Setting]], sample: Sample
) -> dict[str, list[dict[str, Any]]]:
    found = iter(choices)
    return {
        name: [{"setting": setting.value, **sample.point(next(found))} for setting in sweep]
        for name, sweep in sweeps.items()
    }


def _summary(
    choices: Sequence[Choice], sweeps: Mapping[str, Sequence[Setting]], sample: Sample
) -> dict[str, dict[str, Any]]:
    """What each sweep of `best_value` and `cheapest` gains over the zero router and the best single model."""
    models, found = sample.all_models(), {}
    rest = iter(choices)
    for name in ("best_value", "cheapest"):
        own = sample.means(list(islice(rest, len(sweeps[name]))))
        gains = [_gains(*points) for points in zip(own, models, strict=True)]
        found[name] = {key: interval(np.array([gain[key] for gain in gains])) for key in gains[0]}
    return found


def _gains(points: Points, models: Points) -> dict[str, float]:
    """Of one draw; the best single model is that of the draw, the cheaper one of equals."""
    hull, zero = hull_of(points), hull_of(models)
    best_cost, best_quality = zero[-1]
    return {
        "aiq_gain": aiq_gain(hull, zero),
        "saved_at_best_quality": 1 - cost_for(hull, best_quality) / best_cost,
        "quality_at_best_cost": quality_at(hull, best_cost) - best_quality,
    }


if __name__ == "__main__":
    main()
