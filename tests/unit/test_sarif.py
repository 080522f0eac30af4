"""SARIF: what code scanning needs of it is there, valid by the parts of the schema that this program writes."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fingerpost.build.finding_registry import KINDS
from fingerpost.build.lint.sarif import sarif
from fingerpost.types import Finding, Severity

_TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_RULE = {
    "type": "object",
    "required": ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration"],
    "properties": {
        "id": {"type": "string"},
        "shortDescription": _TEXT,
        "fullDescription": _TEXT,
        "help": _TEXT,
        "defaultConfiguration": {"type": "object", "properties": {"level": _LEVEL}, "additionalProperties": False},
    },
    "additionalProperties": False,
}
_LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "properties": {"uri": {"type": "string", "pattern": r"^[\w.~%-]+(/[\w.~%-]+)*$"}},
                    "additionalProperties": False,
                },
                "region": {
                    "type": "object",
                    "properties": {"startLine": {"type": "integer", "minimum": 1}},
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}
_RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": _LEVEL,
        "message": _TEXT,
        "locations": {"type": "array", "items": _LOCATION, "minItems": 1},
    },
    "additionalProperties": False,
}
_DRIVER = {
    "type": "object",
    "required": ["name", "version", "rules"],
    "properties": {
        "name": {"const": "fingerpost"},
        "version": {"type": "string"},
        "rules": {"type": "array", "items": _RULE, "uniqueItems": True},
    },
    "additionalProperties": False,
}
_RUN = {
    "type": "object",
    "required": ["tool", "results"],
    "properties": {
        "tool": {"type": "object", "required": ["driver"], "properties": {"driver": _DRIVER}},
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "results": {"type": "array", "items": _RESULT},
    },
    "additionalProperties": False,
}
SHAPE = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": _RUN, "minItems": 1, "maxItems": 1},
    },
    "additionalProperties": False,
}
"""The parts of the OASIS schema of SARIF 2.1.0 that are written, and closed: nothing else may stand there."""

FINDINGS = (
    Finding("FP402", Severity.WARNING, "code.yaml", 7, "'sort rows' is nearer to the route 'sql'"),
    Finding("FP403", Severity.NOTE, "my routes.yaml", 3, "twice"),
    Finding("FP303", Severity.ERROR, "code.yaml", 2, "no model is called 'codr'"),
    Finding("FP402", Severity.WARNING, "sql.yaml", 0, "the whole file"),
)


def log_of(findings: tuple[Finding, ...], folder: str = "routes") -> Any:
    log = json.loads(sarif(findings, folder, "1.2.3"))
    Draft202012Validator(SHAPE).validate(log)
    return log["runs"][0]


def test_results_hold_place_level_and_rule() -> None:
    """Each finding is one result: its code with the rule of that index, level, message, relative file and line."""
    run = log_of(FINDINGS)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["FP303", "FP402", "FP403"]
    for finding, result in zip(FINDINGS, run["results"], strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.code
        assert (result["level"], result["message"]["text"]) == (finding.severity.value, finding.message)
        assert rules[result["ruleIndex"]]["help"]["text"] == KINDS[finding.code].explanation
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert [(p["artifactLocation"]["uri"], p["region"]["startLine"]) for p in places] == [
        ("routes/code.yaml", 7),
        ("routes/my%20routes.yaml", 3),
        ("routes/code.yaml", 2),
        ("routes/sql.yaml", 1),
    ]


@pytest.mark.parametrize(
    ("folder", "code", "file", "uri"),
    [
        ("deploy/routes", "FP402", "code.yaml", "deploy/routes/code.yaml"),
        (".", "FP402", "code.yaml", "code.yaml"),
        ("routes", "FP101", "/somewhere/routes", "routes"),
        ("routes", "FP301", "routes", "routes"),
    ],
)
def test_places_are_relative(folder: str, code: str, file: str, uri: str) -> None:
    """A place never begins at a root, even that of a folder that cannot be read or holds no route."""
    run = log_of((Finding(code, Severity.ERROR, file, 0, "what is wrong"),), folder)
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_without_findings_there_is_a_run_without_results() -> None:
    """An empty log tells code scanning that all is mended."""
    run = log_of(())
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])
