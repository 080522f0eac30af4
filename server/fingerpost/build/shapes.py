"""Checks a document against a file's shape; each field that is wrong becomes a finding at its line."""

import difflib
import math
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fingerpost.build.files import ModelEntry
from fingerpost.build.finding_codes import (
    FIELD_CHOICE,
    FIELD_FINITE,
    FIELD_MISSING,
    FIELD_NAME,
    FIELD_QUOTES,
    FIELD_RANGE,
    FIELD_TYPE,
    FIELD_UNKNOWN,
    LIST_LONG,
    REGISTRY,
    TEXTS_MANY,
)
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import Findings, quoted
from fingerpost.build.yaml_lines import Document

MAX_FAULTS = 1000  # of one file

_Shaped = TypeVar("_Shaped", bound=BaseModel)

_KINDS: Mapping[str, Kind] = {
    "extra_forbidden": FIELD_UNKNOWN,
    "missing": FIELD_MISSING,
    "string_type": FIELD_QUOTES,
    "finite_number": FIELD_FINITE,
    "greater_than": FIELD_RANGE,
    "greater_than_equal": FIELD_RANGE,
    "less_than": FIELD_RANGE,
    "less_than_equal": FIELD_RANGE,
    "string_pattern_mismatch": FIELD_NAME,
    "literal_error": FIELD_CHOICE,
    "too_long": LIST_LONG,
}

_TEXTS = {"utterances", "tests"}

_EXPECTED = {
    "list_type": "a list",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "too_short": "at least one entry",
}

_BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def shaped(document: Document, shape: type[_Shaped], findings: Findings) -> _Shaped | None:
    """The document as its shape; None, and a finding for each wrong field, when it does not fit."""
    try:
        return shape.model_validate(document.value)
    except ValidationError as error:
        for problem in error.errors(include_url=False)[:MAX_FAULTS]:
            kind = _kind(problem)
            findings.add(kind, document.place(problem["loc"]), _message(kind, problem, shape))
        return None


def _kind(problem: ErrorDetails) -> Kind:
    value = problem["input"]
    if problem["type"] in REGISTRY:  # our own checks raise with a finding's code
        return REGISTRY[problem["type"]]
    if isinstance(value, float) and not math.isfinite(value) and problem["type"] != "string_type":
        return FIELD_FINITE
    if problem["type"] == "too_long" and _field(problem) in _TEXTS:
        return TEXTS_MANY
    return _KINDS.get(problem["type"], FIELD_TYPE)


def _message(kind: Kind, problem: ErrorDetails, shape: type[BaseModel]) -> str:
    field, value = _field(problem), problem["input"]
    if kind is FIELD_UNKNOWN:
        return f"unknown key {quoted(field)}{_suggestion(field, shape)}"
    if kind is FIELD_MISSING:
        return f"the key {field} is missing"
    if kind is FIELD_QUOTES:
        return f"{field}: {_not_a_text(value)}"
    if kind is FIELD_RANGE:
        return f"{field}: {value} is out of range: it must be {_bound(problem)}"
    if kind is FIELD_FINITE:
        return f"{field}: {value} is not a number that can be used"
    if kind is FIELD_NAME:
        return f"{field}: {quoted(str(value))} is no valid name: 1 to 128 letters, digits and a few signs"
    if kind is FIELD_CHOICE:
        return f"{field}: {_found(value)}; it must be {problem['ctx']['expected']}"
    if kind is FIELD_TYPE:
        return f"{field}: {_found(value)}; it must be {_EXPECTED.get(problem['type'], 'another kind of value')}"
    return f"{field}: {problem['msg']}"


def _field(problem: ErrorDetails) -> str:
    """The nearest key; an item of a list goes by its list, the line tells which."""
    keys = [part for part in problem["loc"] if isinstance(part, str)]
    return keys[-1] if keys else "the file"


def _suggestion(field: str, shape: type[BaseModel]) -> str:
    near = difflib.get_close_matches(field, [*shape.model_fields, *ModelEntry.model_fields], n=1)
    return f": did you mean {near[0]}?" if near else ""


def _bound(problem: ErrorDetails) -> str:
    return next(f"{_BOUNDS[key]} {value}" for key, value in problem["ctx"].items() if key in _BOUNDS)


def _not_a_text(value: object) -> str:
    if isinstance(value, dict):
        return "a colon and a space made this a key with a value: put the text in quotes"
    if value is None:
        return "the text is empty: write one or remove the line"
    if isinstance(value, list):
        return "this is a list, not a text: put it in quotes"
    return f"{_written(value)} is not a text: put it in quotes"


def _found(value: object) -> str:
    if value is None:
        return "this is empty"
    if isinstance(value, dict):
        return "this is a mapping of keys"
    return "this is a list" if isinstance(value, list) else f"this is {_written(value)}"


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else quoted(value) if isinstance(value, str) else str(value)
