"""Writes docs/reference from the code: run by scripts/gen-reference."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from click import Command
from typer.core import TyperGroup
from typer.main import get_command

from fingerpost import errors
from fingerpost.cli import app
from fingerpost.cli.show import EXIT_CODES
from fingerpost.rpc.server import METADATA_HARD_BYTES, METADATA_SOFT_BYTES
from fingerpost.rpc.status import CODES
from fingerpost.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
HEAD = "<!-- Written by scripts/gen-reference: do not edit. -->\n"


def main() -> None:
    pages = {"cli.md": cli(), "settings.md": settings(), "errors.md": error_page(), "proto.md": proto()}
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
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def default(parameter: object) -> str:
    value = getattr(parameter, "default", None)
    variable = getattr(parameter, "envvar", None)
    shown = "required" if getattr(parameter, "required", False) else "" if value in (None, False) else f"`{value}`"
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
