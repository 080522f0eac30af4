"""Plan: what a revision decides with, made ready once when it is opened."""

from collections.abc import Mapping
from dataclasses import dataclass

from fingerpost.serve.inventory import Inventory
from fingerpost.serve.rules import NO_RULES, Rulebook
from fingerpost.serve.select import Lineup
from fingerpost.types import Decider


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A decider with its models as columns and its rules compiled."""

    decider: Decider
    inventory: Inventory
    lineups: tuple[Lineup, ...]  # by the number of the route
    route_numbers: Mapping[str, int]
    rulebook: Rulebook

    @classmethod
    def of(cls, decider: Decider, rulebook: Rulebook = NO_RULES) -> "Plan":
        """Make it ready; the rulebook is of the decider's policy."""
        inventory = Inventory.of(decider.models.values())
        return cls(
            decider,
            inventory,
            tuple(Lineup.of(route, inventory) for route in decider.routes),
            {route.name: number for number, route in enumerate(decider.routes)},
            rulebook,
        )
