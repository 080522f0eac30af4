"""Import: labelled texts become a route folder that `load` accepts."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fingerpost.build.files import fits_name
from fingerpost.build.findings import quoted
from fingerpost.build.labelled import OUT_OF_SCOPE_LABEL, LabelledText, read_labelled
from fingerpost.build.load import MODELS_FILE, OUT_OF_SCOPE_FILE, POLICY_FILE, load
from fingerpost.build.texts import normalised
from fingerpost.build.yaml_scalars import written
from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.types import Text

FALLBACK_MODEL = "fallback"

_MAX_STEM = 120  # characters of a cleaned name, which leaves room for a number behind it


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was written; `notes` are lines for people about rows that were left out and labels that were renamed."""

    routes_count: int
    utterances_count: int
    out_of_scope_count: int
    repeated_count: int  # rows left out because their label has the text already
    contradictory_count: int  # rows left out because another label has the text already
    notes: tuple[str, ...]


def import_labelled_jsonl(source: Path, out: Path) -> ImportReport:
    """Make a route folder of rows {"text", "label"}: a route and a model for each label; `oos` is out of scope.

    Args:
        source: A .jsonl or .jsonl.gz file; other keys of its rows are ignored.
        out: A folder that is empty or does not exist; it appears whole or not at all.

    Raises:
        RouteFilesInvalid: with a finding for each bad row.
        InvalidRequest: `out` is not empty.
    """
    out = out.resolve()
    _check_free(out)
    gathered = _gather(read_labelled(source))
    names = _names(label for label in gathered.texts if label != OUT_OF_SCOPE_LABEL)
    _write_folder(out, _files(gathered.texts, names))
    return _report(gathered, names)


def _check_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        message = "the output folder is not empty: name a new one, nothing is overwritten"
        raise InvalidRequest(message, fields=[FieldViolation("out", "must be an empty or new folder")])


# --- Rows to texts by label ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Gathered:
    """Texts by label, in the order of the rows; what contradicts an earlier row is left out."""

    texts: dict[str, dict[str, Text]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    repeated_count: int = 0
    contradictory_count: int = 0
    _labels: dict[str, tuple[str, Text]] = field(default_factory=dict)  # by normalised text

    def add(self, label: str, text: Text) -> None:
        owner, first = self._labels.setdefault(normalised(text.text), (label, text))
        if owner != label:
            self.contradictory_count += 1
            self.notes.append(
                f"{text.file}:{text.line}: left out: {quoted(text.text)} is labelled {quoted(label)} here "
                f"and {quoted(owner)} on line {first.line}"
            )
            return
        kept = self.texts.setdefault(label, {}).setdefault(text.text, text)
        self.repeated_count += kept is not text


def _gather(rows: Iterable[LabelledText]) -> _Gathered:
    gathered = _Gathered()
    for row in rows:
        gathered.add(row.label, row.text)
    return gathered


# --- Labels to names ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Names:
    """What a label is called: as a route and a model by itself wherever that is a valid name, as a file cleaned."""

    route: str
    model: str
    stem: str


def _names(labels: Iterable[str]) -> dict[str, _Names]:
    """Labels that are valid names go first, so that none of them gives way to a cleaned one."""
    ordered = sorted(labels, key=lambda label: not fits_name(label))
    routes: set[str] = set()
    stems: set[str] = set()
    named = {}
    for label in ordered:
        route = label if fits_name(label) else _free(_cleaned(label), routes)
        routes.add(route.casefold())
        model = f"{route}_model" if route == FALLBACK_MODEL else route
        named[label] = _Names(route, model, _free(_cleaned(label), stems))
    return named


def _free(wanted: str, taken: set[str]) -> str:
    """The name itself or with the first free number; names differ by more than case, as files must."""
    name, number = wanted, 1
    while name.casefold() in taken:
        number += 1
        name = f"{wanted[:_MAX_STEM]}_{number}"
    taken.add(name.casefold())
    return name


def _cleaned(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", label).strip("_")[:_MAX_STEM] or "route"


# --- Files --------------------------------------------------------------------------------------------------------


def _files(texts: Mapping[str, Mapping[str, Text]], names: Mapping[str, _Names]) -> Iterator[tuple[str, str]]:
    for label, name in names.items():
        head = f'name: {written(name.route)}\ndescription: ""\nmodel: {written(name.model)}\n'
        yield f"{name.stem}.yaml", head + _list("utterances", texts[label])
    if OUT_OF_SCOPE_LABEL in texts:
        yield OUT_OF_SCOPE_FILE, _list("utterances", texts[OUT_OF_SCOPE_LABEL])
    models = sorted({*(name.model for name in names.values()), FALLBACK_MODEL})
    yield MODELS_FILE, "models:\n" + "".join(f"  - name: {written(model)}\n" for model in models)
    yield POLICY_FILE, f"fallback_model: {FALLBACK_MODEL}\n"


def _list(key: str, texts: Iterable[str]) -> str:
    return f"{key}:\n" + "".join(f"  - {written(text)}\n" for text in texts)


def _write_folder(out: Path, files: Iterator[tuple[str, str]]) -> None:
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


def _report(gathered: _Gathered, names: Mapping[str, _Names]) -> ImportReport:
    renamed = (
        f"the label {quoted(label)} becomes the route {name.route}"
        for label, name in names.items()
        if label != name.route
    )
    return ImportReport(
        routes_count=len(names),
        utterances_count=sum(len(gathered.texts[label]) for label in names),
        out_of_scope_count=len(gathered.texts.get(OUT_OF_SCOPE_LABEL, {})),
        repeated_count=gathered.repeated_count,
        contradictory_count=gathered.contradictory_count,
        notes=(*gathered.notes, *renamed),
    )
