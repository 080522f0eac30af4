"""All kinds of findings, by their codes, and the file that each is written in."""

from collections.abc import Mapping

from fingerpost.build.finding_codes import REGISTRY as FOLDER
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.guards.codes import REGISTRY as GUARDS
from fingerpost.build.imports.codes import REGISTRY as CARRIED
from fingerpost.build.lint.codes import REGISTRY as LINT
from fingerpost.build.rules.codes import REGISTRY as RULES

FILES: Mapping[str, Mapping[str, Kind]] = {
    "finding_codes.py": FOLDER,
    "rules/codes.py": RULES,
    "guards/codes.py": GUARDS,
    "lint/codes.py": LINT,
    "imports/codes.py": CARRIED,
}
"""Path under build to what it registers."""

KINDS: Mapping[str, Kind] = dict(sorted(item for registry in FILES.values() for item in registry.items()))
