"""The registry of findings, its pages and the schemas agree with what the loader does."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from fingerpost.backends.encoder.embedder import OnnxEncoder
from fingerpost.build.finding_codes import REGISTRY as FOLDER
from fingerpost.build.finding_kinds import Kind
from fingerpost.build.finding_pages import finding_pages
from fingerpost.build.finding_registry import FILES, KINDS
from fingerpost.build.guards.codes import REGISTRY as GUARDS
from fingerpost.build.json_schema import json_schemas
from fingerpost.build.lint.codes import REGISTRY as LINT
from fingerpost.build.rules.codes import REGISTRY as RULES
from fingerpost.types import Severity
from tests.linting import Linter
from tests.route_folders import MODELS, POLICY, ROUTE, findings_of, write_folder

ROOT = Path(__file__).parents[2]
ROUTES = ROOT / "routes"
SCHEMAS = {name: json.loads(text) for name, text in json_schemas().items()}


def _linked(folder: Path) -> Path:
    (folder / "elsewhere").write_text(ROUTE)
    routes = write_folder(folder / "routes", {})
    (routes / "code.yaml").symlink_to(folder / "elsewhere")
    return routes


def _code_file(content: str | bytes) -> Callable[[Path], Path]:
    return lambda folder: write_folder(folder, {"code.yaml": content})


def _many(count: int) -> str:
    return "model: coder\nutterances:\n" + "".join(f"  - u{n}\n" for n in range(count))


# What cannot be shown on a page, made here.
DESCRIBED: Mapping[str, Callable[[Path], Path]] = {
    "FP101": lambda folder: folder / "none",
    "FP103": _linked,
    "FP104": _code_file(b"#" * (5 << 20)),
    "FP105": _code_file("model: coder\nutterances: [écris une fonction]\n".encode("latin-1")),
    "FP110": _code_file("model: coder\nutterances: [one\0two]\n"),
    "FP117": _code_file(_many(300_000)),
    "FP122": lambda folder: write_folder(
        folder,
        {
            "code.yaml": "model: coder\nutterances_file: more.txt\n",
            "more.txt": "".join(f"t{n}\n" for n in range(100_001)),
        },
    ),
    "FP211": _code_file(ROUTE + f"  - {'x' * 17_000}\n"),
    "FP312": _code_file(_many(100_001)),
}


def _bad_folder(kind: Kind, folder: Path) -> Path:
    if kind.described:
        return DESCRIBED[kind.code](folder)
    return write_folder(folder, _with_a_route(kind, kind.bad))


def _with_a_route(kind: Kind, files: Mapping[str, str]) -> Mapping[str, str]:
    routes = [name for name in files if name.endswith(".yaml") and not name.startswith("_")]
    return files if routes or not files else {"code.yaml": ROUTE, **files}


LOADED = pytest.mark.parametrize(
    "kind", [*FOLDER.values(), *RULES.values(), *GUARDS.values()], ids=lambda kind: kind.code
)
"""Kinds that loading a folder finds; tests/contract/test_import_findings.py has those of imports and exports."""


@LOADED
def test_the_wrong_example_gives_the_finding(kind: Kind, tmp_path: Path) -> None:
    """Every code of the registry is raised by the example of its page, with its severity, and by nothing else there."""
    found = findings_of(_bad_folder(kind, tmp_path))
    assert {(finding.code, finding.severity) for finding in found} == {(kind.code, kind.severity)}


@LOADED
def test_the_right_example_loads_without_findings(kind: Kind, tmp_path: Path) -> None:
    """What a page recommends is accepted."""
    assert findings_of(write_folder(tmp_path, _with_a_route(kind, kind.good))) == ()


@pytest.fixture(scope="module")
def linter(encoder: OnnxEncoder) -> Linter:
    return Linter(encoder.embedder())


SHOWN = [kind for kind in LINT.values() if not kind.described]
"""All but what needs a published revision: tests/e2e/test_lint.py."""


@pytest.mark.parametrize("kind", SHOWN, ids=lambda kind: kind.code)
def test_lint_finds_the_wrong_example_alone(kind: Kind, linter: Linter, tmp_path: Path) -> None:
    """What a page shows as wrong loads well and has the finding, with its severity; what it recommends has not."""
    bad, good = (
        write_folder(tmp_path / name, _with_a_route(kind, kind.bad if name == "bad" else kind.good))
        for name in ("bad", "good")
    )
    assert findings_of(bad) == findings_of(good) == ()
    assert (kind.code, kind.severity) in {(finding.code, finding.severity) for finding in linter.lint(bad)}
    assert kind.code not in {finding.code for finding in linter.lint(good)}


def test_codes_are_well_formed_and_explained() -> None:
    """Codes are FP and three digits, unique and in order; titles are short and explanations are sentences."""
    assert list(KINDS) == sorted(KINDS)
    families = {
        "finding_codes.py": "[123]",
        "rules/codes.py": "3",
        "guards/codes.py": "3",
        "lint/codes.py": "4",
        "imports/codes.py": "5",
    }
    for file, registry in FILES.items():
        source = (ROOT / "server/fingerpost/build" / file).read_text()
        assert len(re.findall(r'^    "FP\d{3}",$', source, re.MULTILINE)) == len(registry)
        assert all(re.fullmatch(rf"FP{families[file]}\d\d", code) for code in registry)
    for kind in KINDS.values():
        assert len(kind.title) < 60
        assert kind.explanation.endswith(".")


def test_each_code_has_a_fresh_page() -> None:
    """The pages of the documentation are what the registry generates, none missing and none left over."""
    reference = ROOT / "docs" / "reference"
    files = [reference / "findings.md", *(reference / "findings").iterdir()]
    assert {str(file.relative_to(reference)): file.read_text() for file in files} == finding_pages()


def test_the_schemas_are_fresh() -> None:
    """The schemas beside the routes are what the types generate."""
    assert {file.name: file.read_text() for file in (ROUTES / "schema").iterdir()} == json_schemas()


@pytest.mark.parametrize("script", ["gen-schema", "gen-findings"])
def test_the_generators_can_check(script: str) -> None:
    """With --check a generator says that its output is fresh and changes nothing."""
    subprocess.run([ROOT / "scripts" / script, "--check"], check=True, capture_output=True)


def _schema_of(file: str) -> Any:
    special = {"_models.yaml": "models", "_policy.yaml": "policy", "_out_of_scope.yaml": "out_of_scope"}
    return SCHEMAS[f"{special.get(file, 'route')}.schema.json"]


def _accepts(file: str, content: str) -> bool:
    return Draft202012Validator(_schema_of(file)).is_valid(yaml.safe_load(content))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_schemas(name: str) -> None:
    """Each is valid by its own dialect and describes every key for an editor to show."""
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    shapes = [schema, *schema.get("$defs", {}).values()]
    assert all(field["description"] for shape in shapes for field in shape["properties"].values())


def test_the_starter_files_pass_schema_and_loader() -> None:
    """The routes that ship fit their schemas and load without errors."""
    files = sorted(ROUTES.glob("*.yaml"))
    assert files
    assert [file.name for file in files if not _accepts(file.name, file.read_text())] == []
    assert [finding for finding in findings_of(ROUTES) if finding.severity is Severity.ERROR] == []


BAD = [
    ("code.yaml", "utterances: [a]\n"),
    ("code.yaml", ROUTE + "other: 1\n"),
    ("code.yaml", ROUTE + "name: 'a '\n"),
    ("code.yaml", ROUTE + "name: 5\n"),
    ("code.yaml", ROUTE + "min_confidence: 1.5\n"),
    ("code.yaml", ROUTE + "min_confidence: high\n"),
    ("code.yaml", ROUTE + "tests: [5]\n"),
    ("code.yaml", ROUTE + "tests: ['  ']\n"),
    ("code.yaml", ROUTE + "tests:\n"),
    ("code.yaml", ROUTE + f"tests: [{'x' * 17_000}]\n"),
    ("code.yaml", "- a\n"),
    ("_models.yaml", "models: []\n"),
    ("_models.yaml", MODELS + "    tier: best\n"),
    ("_models.yaml", MODELS + "    input_price_usd_micros: -1\n"),
    ("_models.yaml", MODELS + "    input_price_usd_micros: 9223372036854775808\n"),
    ("_models.yaml", MODELS + "    context_window_tokens: 1.5\n"),
    ("_models.yaml", MODELS + "    capabilities: tools\n"),
    ("_policy.yaml", "fallback_chain: []\n"),
    ("_policy.yaml", POLICY + "target_precision: 1\n"),
    ("_policy.yaml", POLICY + "out_of_scope_share: 1\n"),
    ("_policy.yaml", POLICY + "budgets: [{name: b, of: team, per: day, limit: 1}]\n"),
    ("_policy.yaml", POLICY + "budgets: [{name: b, of: tenant, per: day, limit: 0}]\n"),
    ("_policy.yaml", POLICY + "budgets: [{name: b, of: tenant, per: day, limit: 1000000001}]\n"),
    ("_policy.yaml", POLICY + "budgets: [{name: b, of: tenant, per: day, limit: '5'}]\n"),
    ("_policy.yaml", POLICY + "budgets: [{name: b, of: tenant, per: day, limit: true}]\n"),
    ("_policy.yaml", POLICY + "budgets: [{name: b, of: tenant, per: day, limit: 1, currency: EUR}]\n"),
    ("_policy.yaml", POLICY + "budgets: [{name: b, of: tenant, per: day, limit: 1, only: []}]\n"),
    ("_policy.yaml", POLICY + "budgets: [{name: b, of: tenant, per: day, limit: 1, hrad: true}]\n"),
    ("_policy.yaml", POLICY + "breakers: {failure_share: 0}\n"),
    ("_policy.yaml", POLICY + "breakers: {window_seconds: 0}\n"),
    ("_policy.yaml", POLICY + "breakers: {min_calls: 1.5}\n"),
    ("_policy.yaml", POLICY + "breakers: {window: 5}\n"),
    ("_policy.yaml", POLICY + "experiments: [{name: e, shadow: abc}]\n"),
    ("_policy.yaml", POLICY + f"experiments: [{{name: e, shadow: {'A' * 64}}}]\n"),
    ("_policy.yaml", POLICY + f"experiments: [{{name: e, shadow: {'a' * 64}, share: 0}}]\n"),
    ("_policy.yaml", POLICY + "experiments: [{name: e, arms: [{name: a, weight: 101}]}]\n"),
    ("_policy.yaml", POLICY + "experiments: [{name: e, guardrails: [{of: latency, max: 1}]}]\n"),
    ("_out_of_scope.yaml", "utterances: {a: 1}\n"),
    ("_out_of_scope.yaml", "routes: []\n"),
]


@pytest.mark.parametrize(("file", "content"), BAD)
def test_schema_and_loader_refuse_the_same(file: str, content: str, tmp_path: Path) -> None:
    """What an editor underlines, the loader refuses in the same file."""
    assert not _accepts(file, content)
    found = findings_of(write_folder(tmp_path, {"code.yaml": ROUTE, file: content}))
    assert file in {finding.file for finding in found if finding.severity is Severity.ERROR}
