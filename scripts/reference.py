"""Writes docs/reference from the code: run by scripts/gen-reference."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from click import Command
from typer.core import TyperGroup
from typer.main import get_command

from fingerpost import errors
from fingerpost.build.json_schema import json_schemas, schema_of
from fingerpost.cli import app
from fingerpost.cli.show import EXIT_CODES
from fingerpost.rpc.permissions import NEEDED, OPEN
from fingerpost.rpc.server import METADATA_HARD_BYTES, METADATA_SOFT_BYTES
from fingerpost.rpc.status import CODES
from fingerpost.serve.alert_body import BudgetAlert
from fingerpost.settings import Settings
from fingerpost.telemetry import names
from fingerpost.types import AccessRole

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
HEAD = "<!-- Written by scripts/gen-reference: do not edit. -->\n"


def main() -> None:
    pages = {
        "cli.md": cli(),
        "settings.md": settings(),
        "errors.md": error_page(),
        "proto.md": proto(),
        "route-files.md": route_files(),
        "metrics.md": metrics(),
        "permissions.md": permissions(),
        "budget-alert.schema.json": schema_of(BudgetAlert),
    }
    stale = [name for name, text in pages.items() if not same(REFERENCE / name, text)]
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit(f"gen-reference: stale: {', '.join(stale)}: run scripts/gen-reference")
        return
    for name, text in pages.items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


def same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def cli() -> str:
    """Every command with its options, from the same declarations that parse them."""
    parts = [HEAD, "# The command line\n"]
    group = cast(TyperGroup, get_command(app))
    for name, command in sorted(_commands(group)):
        example = (command.epilog or "").removeprefix("Example: ")
        parts.append(f"## `fingerpost {name}`\n\n{command.help}\n\nExample: `{example}`\n")
        rows = [
            (
                f"`{', '.join(p.opts)}`" if p.param_type_name == "option" else f"`{(p.name or '').upper()}`",
                getattr(p, "help", "") or "",
                default(p),
            )
            for p in command.params
            if p.name != "help"
        ]
        parts.append(table(("option", "meaning", "default"), rows))
    parts.append("## Exit codes\n")
    parts.append(table(("code", "meaning"), [(f"`{code}`", meaning) for code, meaning in EXIT_CODES.items()]))
    return "\n".join(parts)


def _commands(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, Command]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            if command.invoke_without_command:  # it does something by itself too
                yield f"{prefix}{name}", command
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def default(parameter: object) -> str:
    value = getattr(parameter, "default", None)
    variable = getattr(parameter, "envvar", None)
    shown = "required" if getattr(parameter, "required", False) else "" if value in (None, False, "") else f"`{value}`"
    return f"{shown} (or `{variable}`)".strip() if variable else shown


def settings() -> str:
    """Every setting of the server."""
    rows = []
    for name, field in Settings.model_fields.items():
        shown = "cores minus one" if field.default_factory else f"`{field.default}`"
        limits = [getattr(limit, "ge", getattr(limit, "le", None)) for limit in field.metadata]
        bounds = " to ".join(f"{limit:,}" for limit in limits if limit is not None)
        rows.append((f"`FINGERPOST_{name.upper()}`", field.description or "", shown, bounds))
    text = (
        "The server reads its settings once, at the start, from the environment; `fingerpost serve` takes some of them "
        "as options, which win. An unknown name with this prefix is refused.\n"
    )
    fixed = (
        f"gRPC itself limits what a call may carry as metadata (headers): up to 4 KiB always pass, above "
        f"{METADATA_SOFT_BYTES} bytes calls are refused at random, above {METADATA_HARD_BYTES} bytes always.\n"
    )
    return "\n".join([HEAD, "# Settings\n", text, table(("setting", "meaning", "default", "range"), rows), fixed])


def metrics() -> str:
    """Every metric, span and attribute, from the one table of names."""
    text = (
        "With `FINGERPOST_METRICS_LISTEN` the server answers `GET /metrics` there, in the format of Prometheus; beside "
        "these stand memory, CPU time and descriptors of the process that answers (`process_...`) and of its engine "
        "(`fingerpost_engine_process_...`). With `FINGERPOST_TRACES_ENDPOINT` it sends spans to "
        "an OpenTelemetry collector, as children of the span that the caller names by `traceparent` in the gRPC "
        "metadata. Neither ever holds a prompt.\n"
    )
    rows = [
        (f"`{one.name}`", one.kind.value, ", ".join(f"`{label}`" for label in one.labels), one.meaning)
        for one in names.METRICS
    ]
    pairs = [
        [(f"`{name}`", meaning) for name, meaning in kind.items()] for kind in (names.SPANS, names.SPAN_ATTRIBUTES)
    ]
    return "\n".join(
        [
            HEAD,
            "# Metrics and traces\n",
            text,
            table(("metric", "kind", "labels", "meaning"), rows),
            "## Spans\n",
            table(("span", "meaning"), pairs[0]),
            "## Attributes of a call's span\n",
            table(("attribute", "meaning"), pairs[1]),
        ]
    )


def permissions() -> str:
    """Which role may call which method, from the table that decides."""
    roles = [role.value for role in AccessRole]
    rows = [
        (f"`{method.removeprefix('/')}`", *("yes" if role in needed else "" for role in AccessRole))
        for method, needed in NEEDED.items()
    ]
    open_ones = ", ".join(f"`{method.removeprefix('/')}`" for method in sorted(OPEN))
    return (
        f"{HEAD}# Permissions\n\n"
        "Where a server knows who calls ([how](../guides/secure-it.md)), a method needs one of its roles; what is not "
        f"listed is refused to all.\n\n{table(('method', *roles), rows)}\n"
        f"Open to everybody who reaches the listener: {open_ones}.\n"
    )


def error_page() -> str:
    """Codes and reasons, from the tree of errors and the proto file."""
    classes = [(f"`{kind.__name__}`", f"`{code.name}`") for kind, code in CODES.items()]
    proto_text = (ROOT / "proto/fingerpost/v1/error_reason.proto").read_text(encoding="utf-8")
    reasons = re.findall(r"// (.+)\n  ERROR_REASON_(\w+) = \d+;", proto_text)
    text = (
        "Every error of the server carries one `google.rpc.ErrorInfo` with domain `fingerpost`, a reason of this page "
        "and the request id; wrong fields stand in `google.rpc.BadRequest`, a time to retry after in "
        "`google.rpc.RetryInfo`. Reasons never change their meaning; messages may. What the gRPC library answers "
        "by itself (an oversized message, an unknown method) has no details.\n"
    )
    return "\n".join(
        [
            HEAD,
            "# Errors\n",
            text,
            table(("reason", "code and meaning"), [(f"`{name}`", meaning) for meaning, name in reasons]),
            "## Classes of the Python client\n",
            f"All of them are `{errors.FingerpostError.__name__}` of `fingerpost.errors`.\n",
            table(("class", "code"), classes),
        ]
    )


def proto() -> str:
    """Services and messages, from the comments of the proto files."""
    parts = [HEAD, "# The gRPC interface\n", "Package `fingerpost.v1`; the files are in `proto/`.\n"]
    for path in sorted((ROOT / "proto").rglob("*.proto")):
        parts.append(f"## {path.name}\n")
        parts.extend(declarations(path.read_text(encoding="utf-8").splitlines()))
    return "\n".join(parts)


def route_files() -> str:
    """Every key of every file of a route folder, from the JSON Schemas that editors use."""
    text = (
        "A folder of YAML files is one catalog: one file a route, and files whose names start with an underscore. "
        "Unknown and repeated keys, anchors, aliases and tags are errors. Larger sets of utterances stand in a file "
        "beside the YAML file, named by `utterances_file`: "
        '`.jsonl` with rows `{"text"}`, `.csv` with a column `text`, or `.txt` '
        "with one text a line. The schemas for editors are in `routes/schema/`.\n"
    )
    files = {
        "route": "a route: `<name>.yaml`",
        "models": "`_models.yaml`",
        "policy": "`_policy.yaml`",
        "out_of_scope": "`_out_of_scope.yaml`",
    }
    parts = [HEAD, "# Route files\n", text]
    schemas = json_schemas()
    for name, title in files.items():
        schema = json.loads(schemas[f"{name}.schema.json"])
        parts.append(f"## {title[0].upper()}{title[1:]}\n\n{schema['description']}\n\n{keys(schema)}")
        inner = schema.get("$defs", {}).items()
        parts.extend(f"### {title}\n\n{one['description']}\n\n{keys(one)}" for title, one in inner)
    return "\n".join(parts)


def keys(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        (f"`{name}`", kind_of(field), shown_default(name, field, required), field.get("description", ""))
        for name, field in schema["properties"].items()
    ]
    return table(("key", "type", "default", "meaning"), rows)


def kind_of(field: dict[str, Any]) -> str:
    """The type in words, with its range; what has keys of its own by the heading under which they stand."""
    field = next((option for option in field.get("anyOf", ()) if option.get("type") != "null"), field)
    if "$ref" in field:
        return f"`{field['$ref'].rpartition('/')[2]}`"
    if field.get("type") == "array":
        return f"list of {kind_of(field['items'])}"
    if field.get("type") == "object":
        [values] = field.get("patternProperties", {"": field.get("additionalProperties")}).values()
        return f"names, each with {kind_of(values)}"
    if "enum" in field:
        return " or ".join(f"`{choice}`" for choice in field["enum"])
    low = field.get("minimum", field.get("exclusiveMinimum"))
    high = field.get("maximum", field.get("exclusiveMaximum"))
    return str(field["type"]) + ("" if low is None or high is None or high > 1 else f", {low} to {high}")


def shown_default(name: str, field: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "required"
    return "" if field.get("default") in (None, "", []) else f"`{field['default']}`"


def declarations(lines: list[str]) -> Iterator[str]:
    comment: list[str] = []
    rows: list[tuple[str, ...]] = []
    for line in lines:
        text = line.strip()
        if text.startswith("//"):
            comment.append(text.removeprefix("//").strip())
            continue
        opened = re.match(r"(message|enum|service) (\w+)", text)
        member = re.match(r"(?:rpc (\w+)\((\w+)\) returns \((\w+)\)|(?:([\w.<>, ]+) )?(\w+) = (\d+));", text)
        if opened:
            yield f"### {opened[1]} `{opened[2]}`\n\n{' '.join(comment)}\n"
        elif member:
            rows.append(row(member, " ".join(comment)))
        elif line == "}":
            yield table(("name", "type", "meaning"), rows)
            rows = []
        comment = []


def row(member: re.Match[str], comment: str) -> tuple[str, ...]:
    call, takes, gives, kind, name, number = member.groups()
    if call:
        return (f"`{call}`", f"`{takes}` to `{gives}`", comment)
    return (f"`{name}`", f"`{kind}` = {number}" if kind else number, comment)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
