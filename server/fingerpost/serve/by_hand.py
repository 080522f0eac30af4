"""By hand: what was set in place of what the policy says, as rows of the ledger and as the guards take it. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal
from urllib.parse import quote

from fingerpost.serve.guards import BreakerByHand, ByHand
from fingerpost.serve.lab import AS_THE_POLICY_SAYS, SetByHand
from fingerpost.types import BreakerPosition, Override

BUDGET, BREAKER, EXPERIMENT = "budget", "breaker", "experiment"


def name_of(*parts: str) -> str:
    """What a row calls a budget and its holder, or an experiment and its arm: no two are called the same."""
    return "/".join(quote(part, safe="") for part in parts)


def by_hand_of(overrides: Iterable[Override]) -> Mapping[str, ByHand]:
    """What is set, by catalog; a kind that only a later version knows is passed over.

    Raises:
        ValueError, KeyError: a row is not as the program writes it.
    """
    found: dict[str, ByHand] = {}
    for one in overrides:
        known = found.get(one.catalog, ByHand())
        if one.kind == BUDGET:
            limits = {**known.limits, (one.value["budget"], one.value["holder"]): int(one.value["limit_usd_micros"])}
            known = replace(known, limits=limits)
        elif one.kind == BREAKER:
            known = replace(known, breakers={**known.breakers, one.value["model"]: _breaker(one)})
        elif one.kind == EXPERIMENT:
            name = one.value["experiment"]
            before = known.experiments.get(name, AS_THE_POLICY_SAYS)
            known = replace(known, experiments={**known.experiments, name: _experiment(before, one.value)})
        found[one.catalog] = known
    return found


def _breaker(one: Override) -> BreakerByHand:
    until = one.value.get("until_s", "")
    is_open = BreakerPosition(one.value["position"]) is BreakerPosition.OPEN
    position: Literal[BreakerPosition.OPEN, BreakerPosition.CLOSED] = (
        BreakerPosition.OPEN if is_open else BreakerPosition.CLOSED
    )
    return BreakerByHand(position, float(until) if until else None, one.actor)


def _experiment(before: SetByHand, value: Mapping[str, str]) -> SetByHand:
    if "arm" in value:
        return replace(before, stopped={**before.stopped, value["arm"]: value["stopped"]})
    weights = json.loads(value.get("weights", "{}"))
    if not isinstance(weights, dict):
        raise ValueError(f"weights are {value['weights']}, not a number by arm")
    numbers = {arm: float(str(weight)) for arm, weight in weights.items()}
    return replace(before, running=value.get("running", "true") == "true", weights=numbers)
