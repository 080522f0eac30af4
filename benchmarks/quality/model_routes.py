"""A route folder made of prompts with known outcomes: models, prices, mean scores, and a route for each kind."""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from outcomes import Outcomes

_UTTERANCES = 60  # of a route, so that a reindex stays quick
_PRIOR = 10  # prompts that a model's mean over all routes counts for beside a route's own


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """The prompts that a catalog may know."""

    outcomes: Outcomes
    numbers: NDArray[np.intp]  # of these prompts

    @property
    def fallback_model(self) -> str:
        """The best single model, the cheaper one of equals."""
        scores, costs = (values[self.numbers].mean(axis=0) for values in (self.outcomes.scores, self.outcomes.costs))
        return self.outcomes.models[int(np.lexsort((costs, -scores))[0])]

    def own(self, route: str) -> NDArray[np.intp]:
        return np.array([number for number in self.numbers if self.outcomes.routes[number] == route], dtype=np.intp)

    def qualities(self, route: str) -> NDArray[np.float64]:
        """Each model's mean score, shape (m,), pulled towards its mean over all routes where the route has few."""
        overall = self.outcomes.scores[self.numbers].mean(axis=0)
        own = self.outcomes.scores[self.own(route)]
        return np.asarray((own.sum(axis=0) + _PRIOR * overall) / (len(own) + _PRIOR))


def write_routes(training: Training, folder: Path, seed: int) -> None:
    """Write the folder: models with prices and qualities, the default policy, and a route of some prompts a kind."""
    outcomes = training.outcomes
    routes = sorted({route for route in outcomes.routes if route is not None})
    folder.mkdir(parents=True)
    _write(folder / "_models.yaml", {"models": _models(training, routes)})
    _write(folder / "_policy.yaml", {"fallback_model": training.fallback_model})
    draw = Random(seed)  # noqa: S311
    for route in routes:
        own = training.own(route)
        chosen = draw.sample(own.tolist(), min(_UTTERANCES, len(own)))
        tokens = round(outcomes.output_tokens[own].mean())
        selection = {"mode": "best_value", "cost_weight": 0.0, "output_tokens": tokens}
        utterances = [outcomes.prompts[number] for number in chosen]
        content = {"models": list(outcomes.models), "selection": selection, "utterances": utterances}
        _write(folder / f"{route}.yaml", {"name": route, **content})


def _models(training: Training, routes: list[str]) -> list[dict[str, Any]]:
    outcomes = training.outcomes
    qualities = {route: training.qualities(route) for route in routes}
    return [
        {
            "name": model,
            "input_price_usd_micros": outcomes.input_prices[number],
            "output_price_usd_micros": outcomes.output_prices[number],
            "quality": {route: round(float(found[number]), 4) for route, found in qualities.items()},
        }
        for number, model in enumerate(outcomes.models)
    ]


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
