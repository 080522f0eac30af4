"""Prompts that several models have answered, with what each answer was worth and what it cost."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from entries import Raw, read_raw
from numpy.typing import NDArray

LLMROUTER, ROUTERARENA = "llmrouter", "routerarena"

_FILES = {LLMROUTER: ("queries.jsonl.gz", "models.json"), ROUTERARENA: ("sub_10.jsonl",)}
"""Of each set, in its folder."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What text files of ours may not hold; some passages do, from a wrong decoding."""

_FAMILIES = {
    "MMLU": ("MMLUPro", "MMLU"),
    "medicine": ("MedMCQA", "PubMedQA"),
    "NarrativeQA": ("NarrativeQA",),
    "OpenTDB": ("OpenTDB",),
}
"""RouterArena's data sets that are a route together, by how their names begin; others have too few prompts for one."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """n prompts that m models have answered."""

    title: str
    prompts: tuple[str, ...]
    routes: tuple[str | None, ...]  # where each prompt belongs; None: nowhere
    models: tuple[str, ...]
    scores: NDArray[np.float64]  # shape (n, m), [0, 1]
    costs: NDArray[np.float64]  # shape (n, m), dollars per thousand requests
    input_prices: tuple[int, ...]  # of each model, micro-dollars per million tokens
    output_prices: tuple[int, ...]  # likewise; 0 where the costs hold no output
    output_tokens: NDArray[np.float64]  # shape (n,), mean of the models' answers; 0 where unknown


def missing(sets: Path) -> list[str]:
    """Files that the folder of the sets lacks."""
    named = [f"{name}/{file}" for name, files in _FILES.items() for file in files]
    return [file for file in named if not (sets / file).is_file()]


def llmrouter(sets: Path) -> Outcomes:
    """LLMRouter's example data: a route for each of nine data sets; costs are of the input alone, so output is free."""
    rows = read_raw(sets / LLMROUTER / "queries.jsonl.gz")
    prices = json.loads((sets / LLMROUTER / "models.json").read_text(encoding="utf-8"))
    models = tuple(sorted(rows[0]["scores"]))
    inputs = tuple(round(prices[model]["input_usd_per_million"] * 1e6) for model in models)
    routes = [row["dataset"] for row in rows]
    return _outcomes("LLMRouter", rows, routes, models, inputs, tuple(0 for _ in models), np.zeros(len(rows)))


def routerarena(sets: Path) -> Outcomes:
    """RouterArena's public tenth: a route for each family of data sets; tokens and costs are measured."""
    rows = read_raw(sets / ROUTERARENA / "sub_10.jsonl")
    models = tuple(sorted(rows[0]["scores"]))
    tokens = np.array([[row["tokens"][model] for model in models] for row in rows], dtype=np.float64)
    prices = [_prices(tokens[:, number], [row["costs"][model] for row in rows]) for number, model in enumerate(models)]
    inputs, outputs = (tuple(price[side] for price in prices) for side in (0, 1))
    routes = [_family(row["dataset"]) for row in rows]
    return _outcomes("RouterArena", rows, routes, models, inputs, outputs, tokens[:, :, 1].mean(axis=1))


SETS: Mapping[str, Callable[[Path], Outcomes]] = {LLMROUTER: llmrouter, ROUTERARENA: routerarena}


def _outcomes(
    title: str,
    rows: Sequence[Raw],
    routes: Sequence[str | None],
    models: tuple[str, ...],
    input_prices: tuple[int, ...],
    output_prices: tuple[int, ...],
    output_tokens: NDArray[np.float64],
) -> Outcomes:
    return Outcomes(
        title=title,
        prompts=tuple(_CONTROL.sub("", row["prompt"]).strip() for row in rows),
        routes=tuple(routes),
        models=models,
        scores=np.array([[row["scores"][model] for model in models] for row in rows], dtype=np.float64),
        costs=1000 * np.array([[row["costs"][model] for model in models] for row in rows], dtype=np.float64),
        input_prices=input_prices,
        output_prices=output_prices,
        output_tokens=output_tokens,
    )


def _prices(tokens: NDArray[np.float64], costs: Sequence[float]) -> tuple[int, int]:
    """A model's two prices, micro-dollars per million tokens, from what its answers cost; tokens have shape (n, 2)."""
    found, *_ = np.linalg.lstsq(tokens, np.array(costs) * 1e12, rcond=None)
    return round(found[0]), round(found[1])


def _family(dataset: str) -> str | None:
    beginning = dataset.partition("_")[0]
    return next((family for family, names in _FAMILIES.items() if beginning in names), None)


def folds_of(outcomes: Outcomes, count: int, seed: int) -> NDArray[np.int64]:
    """A fold for each prompt, shape (n,): of every route each fold has as many prompts, give or take one."""
    draw = Random(seed)  # noqa: S311  # a seeded split is no secret
    folds = np.zeros(len(outcomes.prompts), dtype=np.int64)
    for route in sorted(set(outcomes.routes), key=str):
        own = [number for number, other in enumerate(outcomes.routes) if other == route]
        draw.shuffle(own)
        folds[own] = np.arange(len(own)) % count
    return folds
