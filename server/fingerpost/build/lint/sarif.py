"""SARIF: findings as code scanning reads them (OASIS, Static Analysis Results Interchange Format 2.1.0)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from fingerpost.build.finding_codes import FOLDER_MISSING, ROUTES_NONE
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.finding_registry import KINDS
from fingerpost.types import Finding, Severity

_LEVELS: Mapping[Severity, str] = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}

_OF_THE_FOLDER = {FOLDER_MISSING.code, ROUTES_NONE.code}  # these name it as it was given: it may begin at a root

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(findings: Sequence[Finding], folder: str, version: str) -> str:
    """A log of one run, as JSON text.

    Args:
        findings: Of one route folder.
        folder: That folder as seen from the root of the repository, with forward slashes: SARIF wants relative places.
        version: Of this program.
    """
    codes = sorted({finding.code for finding in findings})
    driver = {"name": "fingerpost", "version": version, "rules": [_rule(KINDS[code]) for code in codes]}
    results = [_result(finding, codes.index(finding.code), folder) for finding in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _rule(kind: Kind) -> dict[str, Any]:
    return {
        "id": kind.code,
        "shortDescription": {"text": kind.title},
        "fullDescription": {"text": kind.explanation},
        "help": {"text": kind.explanation},
        "defaultConfiguration": {"level": _LEVELS[kind.severity]},
    }


def _result(finding: Finding, rule: int, folder: str) -> dict[str, Any]:
    location = {
        "artifactLocation": {"uri": quote(_path(finding, folder))},
        "region": {"startLine": max(1, finding.line)},  # code scanning shows nothing without a line
    }
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location}],
    }


def _path(finding: Finding, folder: str) -> str:
    if finding.code in _OF_THE_FOLDER:
        return folder
    return finding.file if folder == "." else f"{folder}/{finding.file}"
