"""Writes what was imported as a route folder that `load` accepts: whole or not at all, over nothing that is there."""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fingerpost.build.files import fits_name
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.imports.codes import IMPORT_CLASH, IMPORT_NAME
from fingerpost.build.imports.imported import Imported, ImportedRoute
from fingerpost.build.labelled import OUT_OF_SCOPE_LABEL
from fingerpost.build.load import MODELS_FILE, OUT_OF_SCOPE_FILE, POLICY_FILE, load
from fingerpost.build.texts import normalised
from fingerpost.build.yaml_scalars import written
from fingerpost.durable import storing
from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.types import Text

FALLBACK_MODEL = "fallback"

_MAX_STEM = 120  # characters of a cleaned name, which leaves room for a number behind it
_MAX_YAML_BYTES = 1024 * 1024  # more utterances than that stand in a file beside the route's


@dataclass(frozen=True, slots=True)
class Written:
    """How much was written."""

    routes_count: int
    utterances_count: int
    out_of_scope_count: int
    repeated_count: int  # texts left out because their label has them already
    contradictory_count: int  # texts left out because another label has them already


def check_free(out: Path) -> None:
    """Refuse a folder in which anything is.

    Raises:
        InvalidRequest
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        message = "the output folder is not empty: name a new one, nothing is overwritten"
        raise InvalidRequest(message, fields=[FieldViolation("out", "must be an empty or new folder")])


def write_folder(imported: Imported, out: Path, findings: Findings) -> Written:
    """Make the folder; what is renamed or left out for it becomes a warning.

    Args:
        imported: What to write.
        out: A folder that is empty or does not exist; it appears whole or not at all.
        findings: Hears of what is renamed and left out.

    Raises:
        RouteFilesInvalid: the load refuses what would be written.
        InvalidRequest: `out` is not empty.
    """
    out = out.resolve()
    check_free(out)
    gathered = _Gathered(findings)
    gathered.add_all(imported)
    routes = _merged(imported.routes)
    names = _names(routes)
    _note_names(routes, names, findings)
    with storing("the route folder"):
        _write(out, _files(gathered.texts, routes, names))
    return Written(
        routes_count=len(routes),
        utterances_count=sum(len(gathered.texts.get(label, {})) for label in routes),
        out_of_scope_count=len(gathered.texts.get(None, {})),
        repeated_count=gathered.repeated_count,
        contradictory_count=gathered.contradictory_count,
    )


# --- Texts by label -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Gathered:
    """Texts by label, None for out of scope; what contradicts an earlier text is left out."""

    findings: Findings
    texts: dict[str | None, dict[str, Text]] = field(default_factory=dict)
    repeated_count: int = 0
    contradictory_count: int = 0
    _labels: dict[str, tuple[str | None, Text]] = field(default_factory=dict)  # by normalised text

    def add_all(self, imported: Imported) -> None:
        """In the order of the lines: the first place that a text stands at decides on its label."""
        labelled: list[tuple[str | None, Text]] = [
            (route.label, text) for route in imported.routes for text in route.texts
        ]
        labelled += [(None, text) for text in imported.out_of_scope]
        for label, text in sorted(labelled, key=lambda one: one[1].line):
            self._add(label, text)

    def _add(self, label: str | None, text: Text) -> None:
        owner, first = self._labels.setdefault(normalised(text.text), (label, text))
        if owner != label:
            self.contradictory_count += 1
            message = (
                f"left out: {quoted(text.text)} is labelled {quoted(label or OUT_OF_SCOPE_LABEL)} here "
                f"and {quoted(owner or OUT_OF_SCOPE_LABEL)} on line {first.line}"
            )
            self.findings.add(IMPORT_CLASH, Place(text.file, text.line), message)
            return
        kept = self.texts.setdefault(label, {}).setdefault(text.text, text)
        self.repeated_count += kept is not text


def _merged(routes: Iterable[ImportedRoute]) -> dict[str, ImportedRoute]:
    """By label; what the first route of a label says counts, and later ones fill what it leaves open."""
    merged: dict[str, ImportedRoute] = {}
    for route in routes:
        first = merged.setdefault(route.label, route)
        if first is not route:
            merged[route.label] = replace(
                first,
                description=first.description or route.description,
                model=first.model or route.model,
                min_confidence=first.min_confidence if first.min_confidence is not None else route.min_confidence,
                target_precision=first.target_precision or route.target_precision,
            )
    return merged


# --- Labels to names ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Names:
    """What a label is called: as a route and a model by itself wherever that is a valid name, as a file cleaned."""

    route: str
    model: str
    stem: str


def _names(routes: Mapping[str, ImportedRoute]) -> dict[str, _Names]:
    """Labels that are valid names go first, so that none of them gives way to a cleaned one."""
    taken, stems = _Taken(), _Taken()
    named = {}
    for label in sorted(routes, key=lambda label: not fits_name(label)):
        route = label if fits_name(label) else taken.free(_cleaned(label))
        taken.add(route)
        given = routes[label].model
        named[label] = _Names(route, _model_of(route, given), stems.free(_cleaned(label)))
    return {label: named[label] for label in routes}


def _model_of(route: str, given: str | None) -> str:
    """The model that the file names, or else one with the route's name; that of the fallback is not taken for it."""
    if given is not None and fits_name(given):
        return given
    return f"{route}_model" if route == FALLBACK_MODEL else route


class _Taken:
    """Names that are given away; they differ by more than case, as files must."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._numbers: Counter[str] = Counter()  # the last one tried of a name, which thousands may want

    def add(self, name: str) -> None:
        self._names.add(name.casefold())

    def free(self, wanted: str) -> str:
        """Take the name itself, or with the first free number from 2 on."""
        name = wanted
        while name.casefold() in self._names:
            self._numbers[wanted] += 1
            name = f"{wanted[:_MAX_STEM]}_{self._numbers[wanted] + 1}"
        self.add(name)
        return name


def _cleaned(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", label).strip("_")[:_MAX_STEM] or "route"


def _note_names(routes: Mapping[str, ImportedRoute], names: Mapping[str, _Names], findings: Findings) -> None:
    for label, name in names.items():
        if label != name.route:
            message = f"{quoted(label)} is no valid name and becomes the route {name.route}"
            findings.add(IMPORT_NAME, routes[label].place, message)


# --- Files --------------------------------------------------------------------------------------------------------


def _files(
    texts: Mapping[str | None, Mapping[str, Text]], routes: Mapping[str, ImportedRoute], names: Mapping[str, _Names]
) -> Iterator[tuple[str, str]]:
    for label, name in names.items():
        yield from _route_files(routes[label], name, texts.get(label, {}))
    if None in texts:
        yield OUT_OF_SCOPE_FILE, _list("utterances", texts[None])
    models = sorted({*(name.model for name in names.values()), FALLBACK_MODEL})
    yield MODELS_FILE, "models:\n" + "".join(f"  - name: {written(model)}\n" for model in models)
    yield POLICY_FILE, f"fallback_model: {FALLBACK_MODEL}\n"


def _route_files(route: ImportedRoute, name: _Names, texts: Mapping[str, Text]) -> Iterator[tuple[str, str]]:
    head = f"name: {written(name.route)}\ndescription: {written(route.description)}\nmodel: {written(name.model)}\n"
    settings = {"target_precision": route.target_precision, "min_confidence": route.min_confidence}
    head += "".join(f"{key}: {value!r}\n" for key, value in settings.items() if value is not None)
    listed = _list("utterances", texts)
    if len(listed.encode()) <= _MAX_YAML_BYTES:
        yield f"{name.stem}.yaml", head + listed
        return
    yield f"{name.stem}.yaml", f"{head}utterances_file: {written(name.stem + '.jsonl')}\n"
    yield f"{name.stem}.jsonl", "".join(f"{_row(text)}\n" for text in texts)


def _row(text: str) -> str:
    return json.dumps({"text": text}, ensure_ascii=False)


def _list(key: str, texts: Iterable[str]) -> str:
    lines = "".join(f"  - {written(text)}\n" for text in texts)
    return f"{key}:\n{lines}" if lines else ""


def _write(out: Path, files: Iterator[tuple[str, str]]) -> None:
    """Written beside, loaded once to prove it good, then renamed: a folder that is half made never shows."""
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    draft.mkdir(parents=True)
    try:
        for name, content in files:
            (draft / name).write_text(content, encoding="utf-8", newline="\n")
        load(draft)
        draft.rename(out)
    except BaseException:  # whatever stops it, an interrupt too, the half-made folder goes
        shutil.rmtree(draft)
        raise
