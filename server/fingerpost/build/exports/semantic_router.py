"""Writes a route folder as a router file of semantic-router 0.x or 1.x, which its own program loads."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.imports.codes import EXPORT_LEFT_OUT, EXPORT_THRESHOLD
from fingerpost.build.imports.encoders import DEFAULT_MODEL, SEMANTIC_ROUTER, SPARSE
from fingerpost.build.imports.metadata import MIN_CONFIDENCE, MODEL, TARGET_PRECISION
from fingerpost.build.load import OUT_OF_SCOPE_FILE, load
from fingerpost.build.yaml_scalars import written
from fingerpost.durable import put_file, storing
from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.types import Catalog, Finding, Route

ZERO = "semantic-router-0"
ONE = "semantic-router-1"
FORMATS = (ZERO, ONE)

_YAML_ENDINGS = {".yaml", ".yml"}
_NO_NAME_NEEDED = SEMANTIC_ROUTER - {"huggingface"}  # 0.x loads no huggingface encoder without a name


@dataclass(frozen=True, slots=True)
class Encoder:
    """What semantic-router should embed with; `name` None is the default of its type."""

    kind: str
    name: str | None


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written, and what the file has no place for."""

    format: str
    encoder: Encoder
    routes_count: int
    utterances_count: int
    findings: tuple[Finding, ...]  # warnings, by file


def export_file(routes: Path, form: str, out: Path, encoder: str | None = None) -> ExportReport:
    """Write the routes of a folder to one new file.

    Args:
        routes: The route folder.
        form: One of `FORMATS`.
        out: The file; its ending says whether it is YAML or JSON.
        encoder: `TYPE` or `TYPE:NAME` as semantic-router calls them; by default the model of Fingerpost's encoder.

    Raises:
        RouteFilesInvalid: the folder has errors.
        InvalidRequest: a format, encoder or ending is unknown, or `out` exists.
    """
    if form not in FORMATS:
        raise _refused("format", f"unknown format {form}: use {' or '.join(FORMATS)}")
    chosen = _encoder(form, encoder)
    _check_out(out)
    catalog = load(routes).catalog
    document = {**_head(form, chosen), "routes": [_entry(form, route) for route in catalog.routes]}
    text = _yaml(document) if out.suffix.lower() in _YAML_ENDINGS else _json(document, form)
    with storing("the router file"):
        put_file(out, text.encode())
    return ExportReport(
        format=form,
        encoder=chosen,
        routes_count=len(catalog.routes),
        utterances_count=sum(len(route.utterances) for route in catalog.routes),
        findings=_findings(catalog, form),
    )


def _refused(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, fields=[FieldViolation(field, message)])


def _check_out(out: Path) -> None:
    if out.suffix.lower() not in {*_YAML_ENDINGS, ".json"}:
        raise _refused("out", f"{out.name} must end in .yaml, .yml or .json")
    if out.exists():
        raise _refused("out", f"{out.name} exists: name a new file, nothing is overwritten")


def _encoder(form: str, given: str | None) -> Encoder:
    if given is None:
        return Encoder("huggingface" if form == ZERO else "local", DEFAULT_MODEL)
    kind, _, name = given.partition(":")
    known = SEMANTIC_ROUTER - ({"local"} if form == ZERO else SPARSE)
    if kind not in known:
        raise _refused("encoder", f"{form} knows no encoder {quoted(kind)} of texts: use {', '.join(sorted(known))}")
    if not name and kind not in _NO_NAME_NEEDED:
        raise _refused("encoder", f"the encoder {kind} needs a name: {kind}:{DEFAULT_MODEL}")
    return Encoder(kind, name or None)


# --- The document -------------------------------------------------------------------------------------------------


def _head(form: str, encoder: Encoder) -> dict[str, object]:
    if form == ZERO:
        return {"encoder_type": encoder.kind, "encoder_name": encoder.name}
    return {"router_type": "indexed", "encoder": {"type": encoder.kind, "name": encoder.name}}


def _entry(form: str, route: Route) -> dict[str, object]:
    threshold = "score_threshold" if form == ZERO else "confidence_threshold"
    code = {"function_schemas": None, "llm": None} if form == ZERO else {}
    settings = {
        MODEL: route.model,
        MIN_CONFIDENCE: route.min_confidence,
        TARGET_PRECISION: route.target_precision,
    }
    return {
        "name": route.name,
        "utterances": [text.text for text in route.utterances],
        "description": route.description or None,
        **code,
        threshold: None,
        "metadata": {key: value for key, value in settings.items() if value is not None},
    }


class _Dumper(yaml.SafeDumper):
    """Plain values; what YAML 1.1 and 1.2 read differently, and every unusual character, stands in double quotes."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if written(text) == text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _yaml(document: object) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)


def _json(document: object, form: str) -> str:
    return json.dumps(document, indent=4 if form == ZERO else 2, ensure_ascii=False) + "\n"


# --- What is left out ---------------------------------------------------------------------------------------------


def _findings(catalog: Catalog, form: str) -> tuple[Finding, ...]:
    findings = Findings()
    for place, message in _left_out(catalog, form):
        findings.add(EXPORT_LEFT_OUT, place, message)
    for route in catalog.routes:
        kept = [
            f"{key} {value:g}"
            for key, value in ((MIN_CONFIDENCE, route.min_confidence), (TARGET_PRECISION, route.target_precision))
            if value is not None
        ]
        if kept:
            message = f"{' and '.join(kept)} of the route {quoted(route.name)} stands in the metadata alone"
            findings.add(EXPORT_THRESHOLD, _place(route), message)
    return findings.ordered()


def _left_out(catalog: Catalog, form: str) -> Iterator[tuple[Place, str]]:
    for route in catalog.routes:
        if route.tests:
            yield _place(route), f"{_count(route.tests, 'test')} of the route {quoted(route.name)} left out"
        if form == ONE and not route.utterances:
            yield (
                _place(route),
                f"the route {quoted(route.name)} has no utterances: 1.x drops it when it loads the file",
            )
    if outside := (*catalog.out_of_scope, *catalog.out_of_scope_tests):
        yield (
            Place(OUT_OF_SCOPE_FILE),
            f"{_count(outside, 'out-of-scope text')} left out: every text gets a route there",
        )


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"


def _place(route: Route) -> Place:
    """The file of a text of the route; a route does not keep its own."""
    texts = (*route.tests, *route.utterances)
    return Place(texts[0].file if texts else f"the route {route.name}")
