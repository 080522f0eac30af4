"""Situation: what a decision rests on beside the judgement and the plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fingerpost.guard.budget import NO_ACCOUNTS, Accounts
from fingerpost.serve.rules import NO_RULING, Ruling
from fingerpost.serve.select import Asked
from fingerpost.types import ArmTaken, Demands, Reason


@dataclass(frozen=True, slots=True)
class Blocked:
    """Models that are left alone just now."""

    models: frozenset[str] = frozenset()
    rate_limited: frozenset[str] = frozenset()  # of these: because their provider asked for it
    retry_seconds: Mapping[str, float] = field(default_factory=dict)  # until each may be tried; not: never by itself


NOTHING_BLOCKED = Blocked()


@dataclass(frozen=True, slots=True)
class Offer:
    """What an experiment makes of a request that goes its route, or any."""

    taken: ArmTaken
    model: str | None = None  # answers in place of the route's own; None: as without the experiment
    revision: str | None = None  # decides in place of the one in force


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision rests on beside the judgement and the plan."""

    demands: Demands = field(default_factory=Demands)  # the request's own
    asked: Asked = field(default_factory=Asked)
    ruling: Ruling = NO_RULING
    session_route: str | None = None  # kept instead of a fallback when the text is near it and not out of scope
    escalation_spent: bool = False  # the strong tier has had its share of the traffic
    degraded: Reason | None = None  # why there is no judgement where there should be one
    blocked: Blocked = NOTHING_BLOCKED
    accounts: Accounts = NO_ACCOUNTS
    offers: Mapping[str | None, Offer] = field(default_factory=dict)  # by route; of None: whatever the route is
    paid: str | None = None  # model that this very request was given before, and need not be paid for again


PLAIN = Situation()
