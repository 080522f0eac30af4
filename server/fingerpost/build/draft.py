"""Draft: a route folder as it was read, with the places that findings speak of."""

from dataclasses import dataclass

from fingerpost.build.findings import Place
from fingerpost.build.guards.entries import DraftBudget, DraftExperiment
from fingerpost.build.rules.entries import DraftRule
from fingerpost.types import Model, Policy, Route, Text


@dataclass(frozen=True, slots=True)
class DraftRoute:
    """A route and where it says the names that others must agree with."""

    route: Route
    named: Place
    model_named: Place
    utterances_file: str | None = None  # the file beside it that holds more utterances
    confidence_named: Place | None = None
    selection_named: Place | None = None
    fallback_named: Place | None = None
    prose: tuple[Text, ...] = ()  # its description


@dataclass(frozen=True, slots=True)
class DraftModel:
    model: Model
    named: Place
    prose: tuple[Text, ...] = ()  # what is told of it


@dataclass(frozen=True, slots=True)
class DraftPolicy:
    policy: Policy
    models: tuple[Text, ...]  # the names of the fallback models and where they stand
    rules: tuple[DraftRule, ...] = ()
    escalation_named: Place | None = None
    budgets: tuple[DraftBudget, ...] = ()
    experiments: tuple[DraftExperiment, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A route folder as far as it could be read: files with findings of their own are left out."""

    routes: tuple[DraftRoute, ...]
    models: tuple[DraftModel, ...] | None  # None: could not be read, so nothing is checked against it
    policy: DraftPolicy | None
    out_of_scope: tuple[Text, ...] = ()
    out_of_scope_tests: tuple[Text, ...] = ()
    whole: bool = True  # every route could be read; else nothing is checked against their names
